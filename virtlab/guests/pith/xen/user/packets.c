// packets send TO N [SEED]: sends N numbered packets to another domain, each again until it is
// acknowledged. packets receive N: takes them in order. Both print a hash of what they held.
//
//   | to, 6 bytes | from, 6 | type, 2 | number, 4 | data or, in an answer, nothing |
//
// WINDOW packets are under way at a time; an answer acknowledges all up to its number.
#include "xen.h"

#define WINDOW 16
#define DATA_BYTES 1024
#define PATIENCE_MS 50
#define MOST_TRIES 200
#define TYPE_DATA 1
#define TYPE_ANSWER 2
#define HEADER_BYTES 18

struct packet {
    uint8_t to[6], from[6], type[2], number[4];
    uint8_t data[DATA_BYTES];
};
static struct packet packet;
static uint8_t self[6];

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

static void read_address(uint8_t *address, const char *text)
{
    if (strlen(text) != 17)
        exit(print_error("packets: address", -E_INVALID));
    for (int i = 0; i < 6; i++, text += 3)
        address[i] = digit(text[0]) << 4 | digit(text[1]);
}

static void find_self(void)
{
    char backend[64], path[80], text[24] = "";

    if (store_read("device/vif/0/backend", backend, sizeof backend) <= 0 ||
        store_read(text_of(path, sizeof path, "%s/mac", backend), text, sizeof text) <= 0)
        exit(print_error("packets: no network", -E_NOENT));
    read_address(self, text);
}

static uint32_t number_in(const struct packet *p)
{
    return p->number[0] | p->number[1] << 8 | p->number[2] << 16 | (uint32_t)p->number[3] << 24;
}

static void transmit(const uint8_t *to, int type, uint32_t number, long n_bytes, bool more)
{
    memcpy(packet.to, to, 6);
    memcpy(packet.from, self, 6);
    packet.type[1] = type;
    for (int i = 0; i < 4; i++)
        packet.number[i] = number >> 8 * i;
    long result = xen(ASK_SEND, (uint64_t)&packet, HEADER_BYTES + n_bytes, more, 0);
    if (result < 0)
        exit(xen_error("packets", result));
}

// The next packet of the type, false if none comes in time.
static bool await(int type, struct packet *got, long ms)
{
    while (xen(ASK_RECEIVE, (uint64_t)got, sizeof *got, ms, 0) > 0)
        if (got->type[1] == type)
            return true;
    return false;
}

static int send_all(const char *to_text, uint32_t n, uint32_t seed)
{
    static struct packet answer;
    uint32_t acknowledged = 0, n_sent = 0;
    uint64_t hash = HASH_START;
    uint8_t to[6];

    read_address(to, to_text);
    for (int tries = 0; acknowledged < n; tries++) {
        uint32_t end = least(acknowledged + WINDOW, n);
        if (tries == MOST_TRIES) {
            print("packets: nobody answers\n");
            return 1;
        }
        for (uint32_t number = acknowledged; number < end; number++, n_sent++) {
            for (int i = 0; i < DATA_BYTES; i++)
                packet.data[i] = pattern_at(seed, (uint64_t)number * DATA_BYTES + i);
            transmit(to, TYPE_DATA, number, DATA_BYTES, number + 1 < end);
        }
        while (acknowledged < end && await(TYPE_ANSWER, &answer, PATIENCE_MS)) {
            uint32_t number = number_in(&answer);
            if (number > acknowledged && number <= end) {
                acknowledged = number;
                tries = 0;
            }
        }
    }
    for (uint64_t at = 0; at < (uint64_t)n * DATA_BYTES; at++) {
        uint8_t byte = pattern_at(seed, at);
        hash = hash_of(hash, &byte, 1);
    }
    print_hash("packets sent", hash, (long)n * DATA_BYTES);
    return 0;
}

static int receive_all(uint32_t n)
{
    static struct packet got;
    uint64_t hash = HASH_START;

    for (uint32_t next = 0; next < n;) {
        if (!await(TYPE_DATA, &got, 60000)) {
            print("packets: nobody sends\n");
            return 1;
        }
        if (number_in(&got) == next) {
            hash = hash_of(hash, got.data, DATA_BYTES);
            next++;
        }
        if (next % 4 == 0 || next == n || number_in(&got) >= next)
            transmit(got.from, TYPE_ANSWER, next, 0, false);
    }
    print_hash("packets received", hash, (long)n * DATA_BYTES);
    // The last answer may have been lost: the sender asks again for it.
    while (await(TYPE_DATA, &got, 4 * PATIENCE_MS))
        transmit(got.from, TYPE_ANSWER, n, 0, false);
    return 0;
}

int main(int argc, char **argv)
{
    find_self();
    if (argc > 3 && strcmp(argv[1], "send") == 0)
        return send_all(argv[2], number(argv[3]), argument(argc, argv, 4, 1));
    if (argc > 2 && strcmp(argv[1], "receive") == 0)
        return receive_all(number(argv[2]));
    print("packets send TO N [SEED] | packets receive N\n");
    return 2;
}
