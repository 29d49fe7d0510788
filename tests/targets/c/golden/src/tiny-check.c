#include "tiny-check.h"

const tiny_input tiny_check_inputs[tiny_CHECK_SAMPLES]
    [tiny_STEPS * tiny_INPUT_SIZE] = {
{
2, 1,
},
{
0, 0,
},
{
0, 0,
},
{
1, 2,
},
{
1, 1,
},
{
1, 1,
},
{
1, 1,
},
{
1, 1,
},
{
1, 1,
},
{
1, 1,
},
{
0, 0,
},
{
0, 0,
},
{
0, 0,
},
{
1, 0,
},
{
0, 0,
},
{
1, 2,
},
{
1, 0,
},
{
1, 0,
},
{
1, 2,
},
{
1, 0,
},
{
1, 2,
},
{
1, 0,
},
{
1, 2,
},
{
1, 0,
},
{
1, 2,
},
};

const tiny_output tiny_check_answers[tiny_CHECK_SAMPLES]
    [tiny_OUTPUT_SIZE] = {
{
1, 2,
},
{
0, -1,
},
{
0, -1,
},
{
2, -2,
},
{
1, 2,
},
{
1, 2,
},
{
1, 2,
},
{
1, 2,
},
{
1, 2,
},
{
1, 2,
},
{
0, -1,
},
{
0, -1,
},
{
0, -1,
},
{
1, 2,
},
{
0, -1,
},
{
2, -2,
},
{
1, 2,
},
{
1, 2,
},
{
2, -2,
},
{
1, 2,
},
{
2, -2,
},
{
1, 2,
},
{
2, -2,
},
{
1, 2,
},
{
2, -2,
},
};

const uint32_t tiny_check_classes[tiny_CHECK_SAMPLES] = {
1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 0, 1,
0,
};

uint32_t tiny_check(tiny_net *net)
{
    uint32_t sample, i, wrong = 0;
    for (sample = 0; sample < tiny_CHECK_SAMPLES; sample++) {
        const tiny_output *answer = tiny_run(net, tiny_check_inputs[sample]);
        for (i = 0; i < tiny_OUTPUT_SIZE; i++)
            if (answer[i] != tiny_check_answers[sample][i]) {
                wrong++;
                break;
            }
    }
    return wrong;
}
