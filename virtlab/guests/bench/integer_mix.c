// integer_mix: seven small programs, one after the other, for comparing the speed of simulators.
// All of it is integer arithmetic on at most a few hundred KiB, with translation on (4 KiB pages)
// and without any system call, device or interrupt. main returns 0 if every result is right.
#include <stddef.h>
#include <stdint.h>

// ---- translation: everything at its own address, in pages of 4 KiB

#define PAGE_SIZE 4096
#define RAM 0x80000000UL
#define N_ENTRIES 512
#define PTE_POINTER 0x01  // V
#define PTE_LEAF 0xcf     // D A - - X W R V
#define MAKE_PTE(address, bits) ((uint64_t)(address) >> 12 << 10 | (bits))

static uint64_t root[N_ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static uint64_t level1[N_ENTRIES] __attribute__((aligned(PAGE_SIZE)));
static uint64_t level0[N_ENTRIES] __attribute__((aligned(PAGE_SIZE)));  // the first 2 MiB of RAM

uint64_t *map_memory(void)
{
    root[RAM >> 30] = MAKE_PTE(level1, PTE_POINTER);
    level1[0] = MAKE_PTE(level0, PTE_POINTER);
    for (uint64_t i = 0; i < N_ENTRIES; i++)
        level0[i] = MAKE_PTE(RAM + i * PAGE_SIZE, PTE_LEAF);
    return root;
}

// ---- the programs

#define SIEVE_LIMIT 200000
static uint8_t is_composite[SIEVE_LIMIT];

static uint64_t sieve(void)
{
    uint64_t n_primes = 0;

    for (uint32_t i = 0; i < SIEVE_LIMIT; i++)
        is_composite[i] = 0;
    for (uint32_t i = 2; i < SIEVE_LIMIT; i++) {
        if (is_composite[i])
            continue;
        n_primes++;
        for (uint32_t j = 2 * i; j < SIEVE_LIMIT; j += i)
            is_composite[j] = 1;
    }
    return n_primes;
}

#define SIDE 64
static int32_t a[SIDE][SIDE], b[SIDE][SIDE], product[SIDE][SIDE];

static uint64_t matrix(void)
{
    uint64_t sum = 0;

    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            a[i][j] = i + j;
            b[i][j] = i - j;
        }
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++) {
            int32_t element = 0;
            for (int k = 0; k < SIDE; k++)
                element += a[i][k] * b[k][j];
            product[i][j] = element;
            sum += (uint32_t)element;
        }
    return sum;
}

#define N_NODES 8192
static struct node {
    struct node *next;
    uint64_t value;
} nodes[N_NODES];

// The order of the list is not the order in memory.
static uint64_t linked_list(void)
{
    uint64_t sum = 0;
    uint32_t at = 0;

    for (uint32_t i = 0; i < N_NODES; i++) {
        uint32_t next = (at + 5003) % N_NODES;
        nodes[at].next = &nodes[next];
        nodes[at].value = i;
        at = next;
    }
    struct node *node = nodes;
    for (uint32_t i = 0; i < 8 * N_NODES; i++, node = node->next)
        sum = sum * 3 + node->value;
    return sum;
}

static uint32_t random_state;

static uint32_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

// Counts numbers and words in a text of random characters.
static uint64_t state_machine(void)
{
    enum { BETWEEN, IN_NUMBER, IN_WORD } state = BETWEEN;
    uint64_t n_numbers = 0, n_words = 0;

    random_state = 1;
    for (int i = 0; i < 100000; i++) {
        uint32_t c = next_random() >> 8 & 63;
        switch (state) {
        case BETWEEN:
            if (c < 10) {
                state = IN_NUMBER;
                n_numbers++;
            } else if (c < 36) {
                state = IN_WORD;
                n_words++;
            }
            break;
        case IN_NUMBER:
            if (c >= 10)
                state = BETWEEN;
            break;
        case IN_WORD:
            if (c >= 36)
                state = BETWEEN;
            break;
        }
    }
    return n_numbers << 32 | n_words;
}

static uint64_t crc16(void)
{
    uint16_t crc = 0xffff;

    for (uint32_t i = 0; i < 30000; i++) {
        crc ^= (i & 0xff) << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1;
    }
    return crc;
}

static __attribute__((noinline)) uint64_t fibonacci(uint64_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint64_t fib(void) { return fibonacci(23); }

#define N_SORTED 16384
static uint32_t numbers[N_SORTED];

static void sift_down(uint32_t start, uint32_t end)
{
    for (uint32_t child; (child = 2 * start + 1) < end; start = child) {
        if (child + 1 < end && numbers[child] < numbers[child + 1])
            child++;
        if (numbers[start] >= numbers[child])
            return;
        uint32_t larger = numbers[child];
        numbers[child] = numbers[start];
        numbers[start] = larger;
    }
}

static uint64_t heap_sort(void)
{
    uint64_t sum = 0;

    random_state = 1;
    for (uint32_t i = 0; i < N_SORTED; i++)
        numbers[i] = next_random();
    for (uint32_t i = N_SORTED / 2; i-- > 0;)
        sift_down(i, N_SORTED);
    for (uint32_t end = N_SORTED; end-- > 1;) {
        uint32_t largest = numbers[0];
        numbers[0] = numbers[end];
        numbers[end] = largest;
        sift_down(0, end);
    }
    for (uint32_t i = 0; i < N_SORTED; i++)
        sum = sum * 31 + numbers[i];
    return sum;
}

// What each one has to give: the numbers come from the same text compiled for and run on x86-64.
static const struct {
    uint64_t (*run)(void);
    uint64_t result;
} programs[] = {
    {sieve, 17984},
    {matrix, 0x67f05550000},
    {linked_list, 0x68e432c15a3c8000},
    {state_machine, 0x1cd700004acb},
    {crc16, 0xb68a},
    {fib, 28657},
    {heap_sort, 0x48d292d7a0e7e021},
};
#define N_PROGRAMS (sizeof programs / sizeof programs[0])

#define N_ROUNDS 9

int main(void)
{
    for (int round = 0; round < N_ROUNDS; round++)
        for (size_t i = 0; i < N_PROGRAMS; i++)
            if (programs[i].run() != programs[i].result)
                return i + 1;
    return 0;
}
