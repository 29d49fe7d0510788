/* Run the samples of tiny-check.h and say whether all answers are the expected ones. */
#include "port.h"

#include "tiny-check.h"
#include "tiny-classes.h"

static tiny_net net;

static void print_magnitude(uint64_t number)
{
    char text[21], *at = text + sizeof text;
    *--at = 0;
    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    port_print(at);
}

static void print_number(int64_t number)
{
    if (number < 0) port_print("-");
    print_magnitude(number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
}

/* Print what is different in a sample's answer; return whether something is. */
static int differs(uint32_t sample, const tiny_output *answer)
{
    uint32_t i;
    for (i = 0; i < tiny_OUTPUT_SIZE; i++) {
        if (answer[i] == tiny_check_answers[sample][i]) continue;
        port_print("sample ");
        print_magnitude(sample);
        port_print(": number ");
        print_magnitude(i);
        port_print(" of the answer is ");
        print_number(answer[i]);
        port_print(", expected ");
        print_number(tiny_check_answers[sample][i]);
        port_print("\n");
        return 1;
    }
    if (tiny_classify(answer) != tiny_check_classes[sample]) {
        port_print("sample ");
        print_magnitude(sample);
        port_print(": the class is ");
        print_magnitude(tiny_classify(answer));
        port_print(", expected ");
        print_magnitude(tiny_check_classes[sample]);
        port_print("\n");
        return 1;
    }
    return 0;
}

int main(void)
{
    uint32_t sample, wrong = 0;
    port_init();
    for (sample = 0; sample < tiny_CHECK_SAMPLES; sample++) {
        const uint64_t before = port_instructions();
        const tiny_output *answer = tiny_run(&net, tiny_check_inputs[sample]);
        const uint64_t instructions = port_instructions() - before;
        if (instructions) {
            port_print("sample ");
            print_magnitude(sample);
            port_print(": ");
            print_magnitude(instructions);
            port_print(" instructions\n");
        }
        if (differs(sample, answer)) wrong++;
    }
    port_print(wrong ? "wrong: " : "ok: ");
    print_magnitude(tiny_CHECK_SAMPLES - wrong);
    port_print(" of ");
    print_magnitude(tiny_CHECK_SAMPLES);
    port_print(" samples are exactly as expected; the network takes ");
    print_magnitude(sizeof net);
    port_print(" bytes of memory\n");
    return wrong ? 1 : 0;
}
