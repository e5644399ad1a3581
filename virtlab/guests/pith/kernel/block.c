// The blocks used lately, kept in memory. Reading one again costs nothing; writing goes to the disk
// at once, so that the disk is right whenever the power goes.
#include "kernel.h"
#include "fs.h"

#define N_BUFFERS 32
#define NO_BLOCK UINT32_MAX

static struct buffer {
    uint32_t number;
    uint32_t last_use;
    void *data;                // a page, once it has been needed
} buffers[N_BUFFERS];
static uint32_t n_uses;        // the clock of last_use

static struct buffer *find(uint32_t number)
{
    for (struct buffer *b = buffers; b < buffers + N_BUFFERS; b++)
        if (b->data && b->number == number)
            return b;
    return 0;
}

// The buffer that has not been used for the longest time.
static struct buffer *oldest(void)
{
    struct buffer *old = buffers;

    for (struct buffer *b = buffers; b < buffers + N_BUFFERS; b++)
        if (b->last_use < old->last_use)
            old = b;
    if (old->data == 0 && (old->data = page_alloc_for(HOST)) == 0)
        panic("no memory for a block");
    return old;
}

void *block_read(uint32_t number)
{
    struct buffer *b = find(number);

    if (b == 0) {
        b = oldest();
        b->number = NO_BLOCK;  // until it is complete
        disk_transfer(number, b->data, false);
        b->number = number;
    }
    b->last_use = ++n_uses;
    return b->data;
}

void block_write(const void *inside)
{
    void *data = (void *)PAGE_ROUND_DOWN(inside);  // a block is a page

    for (struct buffer *b = buffers; b < buffers + N_BUFFERS; b++)
        if (b->data == data) {
            disk_transfer(b->number, data, true);
            return;
        }
    panic("%p is not in a block", (uint64_t)inside);
}

void block_forget(uint32_t number)
{
    struct buffer *b = find(number);

    if (b) {
        b->number = NO_BLOCK;
        b->last_use = 0;
    }
}
