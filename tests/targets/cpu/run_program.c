/* Runs programs of the native engine, from standard input to standard output, on a kernel set that is named.

   Without a name, it prints those that run here. Input, for each program: HEAD numbers of 64 bits (enum head), the bytes
   of each kept array as so many more, the program, and the samples, padded to a multiple of 8 bytes. Output: answers and
   sums of events of one run, then answers and kept arrays of another. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codes.h"
#include "engine.h"

enum head { PROGRAM, SAMPLES, TYPE, COUNT, SAMPLE_STRIDE, STEP_STRIDE, ANSWERS, EVENT_SUMS, KEPT, HEAD };

static void stop(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

static void *memory(int64_t bytes) {
    void *found = calloc((size_t)bytes + 8, 1);
    if (!found) stop("run_program: memory is missing");
    return found;
}

static void *bytes_of_input(int64_t bytes) {
    void *found = memory(bytes);
    if (fread(found, 1, (size_t)bytes, stdin) != (size_t)bytes) stop("run_program: the input ends early");
    return found;
}

static void print(const void *from, int64_t bytes) {
    if (fwrite(from, 1, (size_t)bytes, stdout) != (size_t)bytes) stop("run_program: cannot write");
}

static void run(const char *kernels, const int64_t *head) {
    int64_t *bytes = bytes_of_input(head[KEPT] * 8), *answers = memory(head[ANSWERS] * 8);
    uint32_t *events = memory(head[EVENT_SUMS] * 4);
    void *program = bytes_of_input(head[PROGRAM]), *samples = bytes_of_input(head[SAMPLES]);
    void **kept = memory(head[KEPT] * (int64_t)sizeof *kept);
    char error[ERROR_BYTES] = "";
    es_net *net = es_load(program, (size_t)head[PROGRAM], kernels, error);
    if (!net) stop(error);
    free(program); /* the engine has its own copy */
    void *scratch = aligned_alloc(64, (es_scratch(net) + 63) / 64 * 64);
    if (!scratch) stop("run_program: scratch memory is missing");
    memset(scratch, 0xa5, es_scratch(net)); /* what it holds at first must not matter */
    for (int64_t k = 0; k < head[KEPT]; k++) kept[k] = memory(bytes[k]);
    const int32_t type = (int32_t)head[TYPE];
    const int64_t count = head[COUNT], sample = head[SAMPLE_STRIDE], step = head[STEP_STRIDE];
    if (es_run(net, scratch, samples, type, count, sample, step, answers, events, NULL)) stop("es_run refuses");
    print(answers, head[ANSWERS] * 8);
    print(events, head[EVENT_SUMS] * 4);
    memset(answers, 0, (size_t)head[ANSWERS] * 8);
    if (es_run(net, scratch, samples, type, count, sample, step, answers, NULL, kept)) stop("es_run refuses");
    print(answers, head[ANSWERS] * 8);
    for (int64_t k = 0; k < head[KEPT]; k++) {
        print(kept[k], bytes[k]);
        free(kept[k]);
    }
    es_free(net);
    free(scratch), free(kept), free(samples), free(events), free(answers), free(bytes);
}

int main(int arguments, char **argument) {
    if (arguments < 2) {
        for (int k = 0; es_kernels(k); k++) puts(es_kernels(k));
        return 0;
    }
    int64_t head[HEAD];
    while (fread(head, sizeof head, 1, stdin)) run(argument[1], head);
    return 0;
}
