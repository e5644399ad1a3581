// A pipe: a ring of bytes in one page, with a writing and a reading end. A port is a pipe that is
// found by its number: one process serves it by reading, and others call it, one after another.
#include "kernel.h"

struct pipe {
    uint32_t n_readers, n_writers;  // open files for each end
    uint32_t n_read, n_written;     // bytes so far; their difference is in the ring
    const struct box *network;      // of a port: who can find it; else 0
    uint64_t number;                // of the port
    struct pipe *next;              // port
    bool called;                    // somebody has, since the last end of what was read
    char ring[PAGE_SIZE - 12 * sizeof(uint32_t)];
};
static struct pipe *ports;          // those that are served
#define RING_SIZE sizeof(((struct pipe *)0)->ring)

int pipe_open(uint64_t numbers_va)
{
    struct pipe *pipe = page_alloc_zeroed();
    int numbers[2];

    if (pipe == 0)
        return -E_NOMEM;
    pipe->n_readers = pipe->n_writers = 1;
    numbers[0] = file_create((struct file){.type = FILE_PIPE, .flags = OPEN_READ, .pipe = pipe});
    numbers[1] = file_create((struct file){.type = FILE_PIPE, .flags = OPEN_WRITE, .pipe = pipe});
    if (numbers[0] >= 0 && numbers[1] >= 0)
        return copy_to_user(numbers_va, numbers, sizeof numbers);
    if (numbers[0] >= 0) {
        pipe->n_writers = 0;
        file_close(numbers[0]);  // and with the last end, the pipe
    } else {
        page_free(pipe);
    }
    return -E_TOOMANY;
}

static struct pipe **find_port(const struct box *network, uint64_t number)
{
    struct pipe **place = &ports;

    while (*place && ((*place)->network != network || (*place)->number != number))
        place = &(*place)->next;
    return place;
}

static int serve(const struct box *network, uint64_t number)
{
    if (*find_port(network, number))
        return -E_EXIST;
    struct pipe *pipe = page_alloc_zeroed();
    if (pipe == 0)
        return -E_NOMEM;
    int file = file_create((struct file){.type = FILE_PIPE, .flags = OPEN_READ, .pipe = pipe});
    if (file < 0) {
        page_free(pipe);
        return file;
    }
    pipe->n_readers = 1;
    pipe->network = network;
    pipe->number = number;
    pipe->next = ports;
    ports = pipe;
    return file;
}

static int call(const struct box *network, uint64_t number)
{
    struct pipe *pipe = *find_port(network, number);

    if (pipe == 0)
        return -E_NOENT;
    int file = file_create((struct file){.type = FILE_PIPE, .flags = OPEN_WRITE, .pipe = pipe});
    if (file >= 0) {
        pipe->n_writers++;
        pipe->called = true;
    }
    return file;
}

int port_open(uint64_t number, int flags)
{
    const struct box *network = box_with(BOX_NETWORK);

    switch (flags) {
    case OPEN_READ: return serve(network, number);
    case OPEN_WRITE: return call(network, number);
    default: return -E_INVALID;
    }
}

// Each side waits on its own count, and wakes the other.
void pipe_close(struct pipe *pipe, bool writes)
{
    if (writes)
        pipe->n_writers--;
    else
        pipe->n_readers--;
    wake_up(&pipe->n_read);
    wake_up(&pipe->n_written);
    if (pipe->network && pipe->n_readers == 0) {
        *find_port(pipe->network, pipe->number) = pipe->next;
        pipe->network = 0;
    }
    if (pipe->n_readers + pipe->n_writers == 0)
        page_free(pipe);
}

// Waits for at least one byte; 0 when nobody can write any more, or a port's caller has finished.
int pipe_read(struct pipe *pipe, char *to, size_t n)
{
    size_t done = 0;

    while (pipe->n_read == pipe->n_written) {
        if (pipe->n_writers == 0 && (pipe->network == 0 || pipe->called)) {
            pipe->called = false;
            return 0;
        }
        if (current->killed)
            return -E_KILLED;
        wait_for(&pipe->n_written);
    }
    while (done < n && pipe->n_read != pipe->n_written)
        to[done++] = pipe->ring[pipe->n_read++ % RING_SIZE];
    wake_up(&pipe->n_read);
    return done;
}

// Waits until all has been written.
int pipe_write(struct pipe *pipe, const char *from, size_t n)
{
    for (size_t done = 0; done < n;) {
        if (pipe->n_readers == 0)
            return -E_PIPE;
        if (current->killed)
            return -E_KILLED;
        if (pipe->n_written - pipe->n_read == RING_SIZE)
            wait_for(&pipe->n_read);
        while (done < n && pipe->n_written - pipe->n_read < RING_SIZE)
            pipe->ring[pipe->n_written++ % RING_SIZE] = from[done++];
        wake_up(&pipe->n_written);
    }
    return n;
}
