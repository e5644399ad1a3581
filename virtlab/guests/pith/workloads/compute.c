// compute [LIMIT] [SIDE]: counts the primes below LIMIT and multiplies two matrices with SIDE rows,
// without a system call on the way.
#include "../user/user.h"

#define MAX_LIMIT (1 << 20)
#define MAX_SIDE 128

static char is_composite[MAX_LIMIT];
static long a[MAX_SIDE][MAX_SIDE], b[MAX_SIDE][MAX_SIDE];

static long count_primes(long limit)
{
    long n = 0;

    for (long i = 2; i < limit; i++) {
        if (is_composite[i])
            continue;
        n++;
        for (long j = i * i; j < limit; j += i)
            is_composite[j] = 1;
    }
    return n;
}

// The sum of the elements of the product.
static long multiply(long side)
{
    long sum = 0;

    for (long i = 0; i < side; i++)
        for (long j = 0; j < side; j++) {
            a[i][j] = i + j;
            b[i][j] = i - j;
        }
    for (long i = 0; i < side; i++)
        for (long j = 0; j < side; j++)
            for (long k = 0; k < side; k++)
                sum += a[i][k] * b[k][j];
    return sum;
}

int main(int argc, char **argv)
{
    long limit = argument(argc, argv, 1, 100000), side = argument(argc, argv, 2, 64);

    if (limit > MAX_LIMIT || side > MAX_SIDE)
        return print_error("compute", -E_INVALID);
    print("compute: %ld primes below %ld, ", count_primes(limit), limit);
    print("matrix sum %ld\n", multiply(side));
    return 0;
}
