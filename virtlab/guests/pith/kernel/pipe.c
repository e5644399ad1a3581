// A pipe: a ring of bytes in one page, with a writing and a reading end.
#include "kernel.h"

struct pipe {
    uint32_t n_readers, n_writers;  // open files for each end
    uint32_t n_read, n_written;     // bytes so far; their difference is in the ring
    char ring[PAGE_SIZE - 4 * sizeof(uint32_t)];
};
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

// Each side waits on its own count, and wakes the other.
void pipe_close(struct pipe *pipe, bool writes)
{
    if (writes)
        pipe->n_writers--;
    else
        pipe->n_readers--;
    wake_up(&pipe->n_read);
    wake_up(&pipe->n_written);
    if (pipe->n_readers + pipe->n_writers == 0)
        page_free(pipe);
}

// Waits for at least one byte; 0 when nobody can write any more.
int pipe_read(struct pipe *pipe, char *to, size_t n)
{
    size_t done = 0;

    while (pipe->n_read == pipe->n_written) {
        if (pipe->n_writers == 0)
            return 0;
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
