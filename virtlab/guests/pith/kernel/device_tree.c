// Reads from the device tree what differs between one board and the next: where RAM ends, how
// fast the clock counts, and the words the user gave the kernel on its command line.
// Source: Devicetree Specification, Release v0.4, "Flattened Devicetree (DTB) Format".
#include "kernel.h"

#define TREE_MAGIC 0xd00dfeed

// The structure block is a row of 32-bit tokens, big-endian like all numbers in the tree:
//   BEGIN_NODE name...  |  PROPERTY n_bytes name_offset value...  |  END_NODE
enum token { BEGIN_NODE = 1, END_NODE, PROPERTY, NOTHING, END };

struct tree_header {
    uint32_t magic, n_bytes, structure_offset, names_offset;
};

struct board board;

static uint32_t big_endian(uint32_t value)
{
    return __builtin_bswap32(value);
}

static const char *after_text(const char *text)
{
    return (const char *)(((uintptr_t)text + strlen(text) + 1 + 3) & ~3UL);
}

// A node's name is "memory@80000000"; the part after the @ does not matter here.
static bool node_is(const char *node, const char *name)
{
    size_t n = strlen(name);

    return strncmp(node, name, n) == 0 && (node[n] == 0 || node[n] == '@');
}

// The value of a property of the innermost node with that name, or 0.
static const uint32_t *find(const struct tree_header *tree, const char *node, const char *property,
                            uint32_t *n_bytes)
{
    const char *structure = (const char *)tree + big_endian(tree->structure_offset);
    const char *names = (const char *)tree + big_endian(tree->names_offset);
    const uint32_t *at = (const uint32_t *)structure;
    const char *inside = "";

    for (;;) {
        switch (big_endian(*at++)) {
        case BEGIN_NODE:
            inside = (const char *)at;
            at = (const uint32_t *)after_text(inside);
            break;
        case PROPERTY:
            *n_bytes = big_endian(at[0]);
            if (node_is(inside, node) && strcmp(names + big_endian(at[1]), property) == 0)
                return at + 2;
            at += 2 + (*n_bytes + 3) / 4;
            break;
        case END_NODE:
            inside = "";  // properties come before child nodes, so none of the outer node follow
            break;
        case NOTHING:
            break;
        default:
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
    if (value == 0 || n_bytes < 16)
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
