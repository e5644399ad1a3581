// Reads from the device tree what differs between one board and the next: where RAM ends, how
// fast the clock counts, and the words the user gave the kernel on its command line.
// Source: Devicetree Specification, Release v0.4, "Flattened Devicetree (DTB) Format".
#include "kernel.h"

#define TREE_MAGIC 0xd00dfeed

// The structure block is a row of 32-bit tokens, big-endian like all numbers in the tree:
//   BEGIN_NODE name...  |  PROPERTY n_bytes name_offset value...  |  END_NODE
enum token { BEGIN_NODE = 1, END_NODE, PROPERTY, NOTHING, END = 9 };

struct tree_header {
    uint32_t magic, n_bytes, structure_offset, names_offset;
};

struct board board;

static uint32_t big_endian(uint32_t value)
{
    return value << 24 | (value & 0xff00) << 8 | (value >> 8 & 0xff00) | value >> 24;
}

// The value of a property, or 0. Properties come before child nodes, so they belong to the node
// that began last. Its name is "memory@80000000"; the part after the @ does not matter here.
static const uint32_t *find(const struct tree_header *tree, const char *node, const char *property,
                            uint32_t *n_bytes)
{
    const uint32_t *at = (void *)((uint64_t)tree + big_endian(tree->structure_offset));
    const char *names = (char *)tree + big_endian(tree->names_offset);
    bool inside = false;

    for (;;) {
        switch (big_endian(*at++)) {
        case BEGIN_NODE: {
            const char *name = (const char *)at;
            size_t n = strlen(node);
            inside = strncmp(name, node, n) == 0 && (name[n] == 0 || name[n] == '@');
            at += strlen(name) / sizeof *at + 1;
            break;
        }
        case PROPERTY:
            *n_bytes = big_endian(at[0]);
            if (inside && strcmp(names + big_endian(at[1]), property) == 0)
                return at + 2;
            at += 2 + (*n_bytes + 3) / sizeof *at;
            break;
        case END:
            return 0;
        }
    }
}

void device_tree_read(const void *tree)
{
    const struct tree_header *header = tree;
    const uint32_t *value;
    uint32_t n_bytes;

    if (big_endian(header->magic) != TREE_MAGIC)
        panic("a1 does not point to a device tree");

    value = find(header, "memory", "reg", &n_bytes);  // start and size, 64 bits each
    if (value == 0)
        panic("the device tree does not say where memory is");
    for (int i = 0; i < 4; i += 2)
        board.ram_end += (uint64_t)big_endian(value[i]) << 32 | big_endian(value[i + 1]);

    value = find(header, "cpus", "timebase-frequency", &n_bytes);
    if (value == 0)
        panic("the device tree does not say how fast the clock counts");
    board.ticks_per_second = big_endian(*value);

    value = find(header, "chosen", "bootargs", &n_bytes);
    if (value && n_bytes <= sizeof board.command)
        memcpy(board.command, value, n_bytes);
}
