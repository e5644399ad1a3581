// The file system as it lies on the disk. virtlab/guests/filesystem.py writes the same layout.
//
//   block 0      1        2 ...           first_data ...
//   | super  | in use? | inodes         | files and directories ... |
//   | block  | a bit   | 64 bytes each  |                           |
//   |        | a block |                |                           |
#pragma once

#include <stdint.h>

#define BLOCK_SIZE 4096
#define FS_MAGIC 0x68746970  // "pith"
#define SUPER_BLOCK 0
#define BITMAP_BLOCK 1
#define INODE_BLOCK 2
#define ROOT_INODE 1         // inode 0 stands for "none"
#define MAX_INODES 512

struct super_block {
    uint32_t magic;
    uint32_t n_blocks;
    uint32_t n_inodes;
    uint32_t first_data;
};

// The blocks of a file: the first N_DIRECT by number, the rest through a block of numbers.
#define N_DIRECT 12
#define N_INDIRECT (BLOCK_SIZE / sizeof(uint32_t))
#define MAX_FILE_SIZE ((N_DIRECT + N_INDIRECT) * BLOCK_SIZE)

struct inode {
    uint16_t type;               // enum file_type
    uint16_t n_links;            // directory entries that name it
    uint32_t n_bytes;
    uint32_t blocks[N_DIRECT];   // 0 where nothing has been written yet
    uint32_t indirect;
    uint32_t parent;             // of a directory: where ".." leads
};
#define INODES_PER_BLOCK (BLOCK_SIZE / sizeof(struct inode))
