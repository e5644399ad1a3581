/* The first and only program of the tiny Linux: says where it runs, reads the disk, powers off.
 *
 * It stands alone, without a C library: Debian's for riscv64 uses floating point, and this machine
 * has none. The kernel starts it at _start, with /dev/console open as files 0, 1 and 2.
 */

/* Source: Linux 6.1, include/uapi/asm-generic/unistd.h (system call numbers),
 * include/uapi/asm-generic/fcntl.h, include/uapi/linux/fs.h, include/uapi/linux/reboot.h. */
enum {
  SYS_IOCTL = 29, SYS_MOUNT = 40, SYS_OPENAT = 56, SYS_LSEEK = 62, SYS_READ = 63, SYS_WRITE = 64,
  SYS_FSYNC = 82, SYS_NANOSLEEP = 101, SYS_CLOCK_GETTIME = 113, SYS_REBOOT = 142, SYS_UNAME = 160,
  SYS_GETPID = 172,
};

#define AT_FDCWD            (-100)
#define O_RDWR              2
#define BLKFLSBUF           0x1261      /* drop what the kernel remembers of the disk */
#define CLOCK_MONOTONIC     1
#define REBOOT_MAGIC1       0xfee1deadl /* reboot(2) wants both numbers before it believes us */
#define REBOOT_MAGIC2       672274793l
#define REBOOT_POWER_OFF    0x4321fedcl
#define SECTOR_BYTES        512

struct utsname { char sysname[65], nodename[65], release[65], version[65], machine[65], domain[65]; };
struct timespec { long seconds, nanoseconds; };

static long
system_call(long number, long a, long b, long c, long d, long e)
{
  register long a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c;
  register long a3 asm("a3") = d, a4 asm("a4") = e, a7 asm("a7") = number;
  asm volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7) : "memory");
  return a0;
}

static void
say(const char *text)
{
  long n = 0;
  while (text[n])
    n++;
  system_call(SYS_WRITE, 1, (long)text, n, 0, 0);
}

static void
say_number(long value, int digits)
{
  char text[24];
  char *end = text + sizeof text - 1;
  *end = 0;
  do {
    *--end = '0' + value % 10;
    value /= 10;
  } while (--digits > 0 || value > 0);
  say(end);
}

/* "init: Linux 6.1.0 on riscv64, process 1" */
static void
say_system(void)
{
  struct utsname name;
  system_call(SYS_UNAME, (long)&name, 0, 0, 0, 0);
  say("init: ");
  say(name.sysname);
  say(" ");
  say(name.release);
  say(" on ");
  say(name.machine);
  say(", process ");
  say_number(system_call(SYS_GETPID, 0, 0, 0, 0, 0), 1);
  say("\n");
}

/* "init: up 0.45 s, slept 20 ms": the clock runs, and the timer interrupt wakes a sleeper. */
static void
say_time(void)
{
  struct timespec nap = {0, 20000000}, before, after;
  system_call(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&before, 0, 0, 0);
  long slept = system_call(SYS_NANOSLEEP, (long)&nap, 0, 0, 0, 0);
  system_call(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, (long)&after, 0, 0, 0);
  long ms = (after.seconds - before.seconds) * 1000
            + (after.nanoseconds - before.nanoseconds) / 1000000;
  say("init: up ");
  say_number(before.seconds, 1);
  say(".");
  say_number(before.nanoseconds / 10000000, 2);
  say(slept == 0 && ms >= 20 ? " s, slept 20 ms\n" : " s, the sleep went wrong\n");
}

/* With a disk: prints the line in its first sector, writes it to the second and reads it back. */
static void
say_disk(void)
{
  static char sector[SECTOR_BYTES + 1], copy[SECTOR_BYTES];
  system_call(SYS_MOUNT, (long)"dev", (long)"/dev", (long)"devtmpfs", 0, 0);
  long disk = system_call(SYS_OPENAT, AT_FDCWD, (long)"/dev/vda", O_RDWR, 0, 0);
  if (disk < 0) {
    say("init: no disk\n");
    return;
  }
  if (system_call(SYS_READ, disk, (long)sector, SECTOR_BYTES, 0, 0) != SECTOR_BYTES) {
    say("init: the disk cannot be read\n");
    return;
  }
  say("init: disk says ");
  for (int i = 0; i < SECTOR_BYTES; i++)
    if (sector[i] == '\n')
      sector[i + 1] = 0;
  say(sector);
  system_call(SYS_WRITE, disk, (long)sector, SECTOR_BYTES, 0, 0);
  int written = system_call(SYS_FSYNC, disk, 0, 0, 0, 0) == 0;
  system_call(SYS_IOCTL, disk, BLKFLSBUF, 0, 0, 0);
  system_call(SYS_LSEEK, disk, SECTOR_BYTES, 0, 0, 0);
  system_call(SYS_READ, disk, (long)copy, SECTOR_BYTES, 0, 0);
  for (int i = 0; i < SECTOR_BYTES; i++)
    written &= copy[i] == sector[i];
  say(written ? "init: disk written\n" : "init: the disk lost what was written\n");
}

void
_start(void)
{
  say_system();
  say_time();
  say_disk();
  say("init: power off\n");
  system_call(SYS_REBOOT, REBOOT_MAGIC1, REBOOT_MAGIC2, REBOOT_POWER_OFF, 0, 0);
  for (;;)
    continue;
}
