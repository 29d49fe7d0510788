/* Runs networks in C, from standard input to standard output.

   Input, for each run: the network's place in networks and the number of samples, 32 bits each, and the
   samples' steps. Output: for each sample, the observed values of each step and the answer; then the
   answer of each sample as the function of a whole sample gives it; then what was counted in the first
   of both. A network's memory is a block of its own, and full of a byte before a run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run_networks.h"

static void *block(size_t bytes, int full_of)
{
    void *found = malloc(bytes ? bytes : 1);
    if (!found) {
        fputs("run_networks: memory is missing\n", stderr);
        exit(3);
    }
    memset(found, full_of, bytes);
    return found;
}

static void print(const void *from, size_t bytes)
{
    if (fwrite(from, 1, bytes, stdout) != bytes) exit(4);
}

static void run(const struct network *op, uint32_t samples)
{
    const size_t each = (size_t)op->steps * op->input;
    unsigned char *input = block(each * samples, 0);
    uint64_t *counted = block(op->counts * sizeof(uint64_t), 0);
    void *net = block(op->memory, 0xA5);
    uint32_t sample, step, k;
    if (fread(input, 1, each * samples, stdin) != each * samples) exit(5);
    for (k = 0; k < op->observed; k++) op->show[k] = block(op->bytes[k], 0x5A);
    for (sample = 0; sample < samples; sample++) {
        op->init(net);
        for (step = 0; step < op->steps; step++) {
            void *now = block(op->input, 0); /* of its own, with its own end */
            memcpy(now, input + sample * each + (size_t)step * op->input, op->input);
            op->step(net, now);
            free(now);
            for (k = 0; k < op->observed; k++) {
                print(op->show[k], op->bytes[k]);
                memset(op->show[k], 0x5A, op->bytes[k]);
            }
        }
        print(op->answer(net), op->output);
    }
    for (k = 0; k < op->counts; k++) counted[k] = op->count[k];
    memset(net, 0x3C, op->memory);
    for (sample = 0; sample < samples; sample++) print(op->run(net, input + sample * each), op->output);
    print(counted, op->counts * sizeof(uint64_t));
    fflush(stdout);
    for (k = 0; k < op->observed; k++) free(op->show[k]);
    free(net);
    free(counted);
    free(input);
}

int main(void)
{
    uint32_t asked[2];
    while (fread(asked, sizeof asked, 1, stdin)) run(networks[asked[0]], asked[1]);
    return 0;
}
