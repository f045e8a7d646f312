/* Prints how many operations on 512-bit vectors this core does in a second of CPU time. */

#include <stdint.h>
#include <stdio.h>
#include <time.h>

typedef uint32_t words __attribute__((vector_size(64)));

enum { CHAINS = 8, ROUNDS = 4000000 };

int main(void)
{
    words x[CHAINS] = {{0}}, step = {1};
    clock_t began = clock();

    for (int i = 0; i < ROUNDS; i++)
        for (int k = 0; k < CHAINS; k++) {
            x[k] += step;
            __asm__ volatile("" : "+v"(x[k]));  /* one addition each, whatever the compiler knows */
        }
    printf("%.0f\n", (double)ROUNDS * CHAINS / ((double)(clock() - began) / CLOCKS_PER_SEC));
    return 0;
}
