/* The limit for tiny networks: one Adam training step of a 4-16-3 ReLU network with softmax and
   cross-entropy, batch 32, float32, as plain loops whose sizes the compiler knows. */
#include <math.h>
#include <string.h>

enum { ROWS = 32, INPUTS = 4, HIDDEN = 16, CLASSES = 3 };
enum { VALUES = INPUTS * HIDDEN + HIDDEN + HIDDEN * CLASSES + CLASSES };

typedef struct {
    float values[VALUES], first[VALUES], second[VALUES];
} Network;

static void gradients_of(const float *values, float inputs[ROWS][INPUTS], const int *labels,
                         float *gradients) {
    const float(*weights1)[HIDDEN] = (const void *)values;
    const float *biases1 = values + INPUTS * HIDDEN;
    const float(*weights2)[CLASSES] = (const void *)(biases1 + HIDDEN);
    const float *biases2 = biases1 + HIDDEN + HIDDEN * CLASSES;
    memset(gradients, 0, VALUES * sizeof(float));
    float(*weight1_gradients)[HIDDEN] = (void *)gradients;
    float *bias1_gradients = gradients + INPUTS * HIDDEN;
    float(*weight2_gradients)[CLASSES] = (void *)(bias1_gradients + HIDDEN);
    float *bias2_gradients = bias1_gradients + HIDDEN + HIDDEN * CLASSES;
    for (int row = 0; row < ROWS; row++) {
        float hidden[HIDDEN], slopes[HIDDEN], outputs[CLASSES], sum = 0;
        for (int j = 0; j < HIDDEN; j++) hidden[j] = biases1[j];
        for (int i = 0; i < INPUTS; i++)
            for (int j = 0; j < HIDDEN; j++) hidden[j] += inputs[row][i] * weights1[i][j];
        for (int j = 0; j < HIDDEN; j++) hidden[j] = hidden[j] > 0 ? hidden[j] : 0;
        for (int k = 0; k < CLASSES; k++) outputs[k] = biases2[k];
        for (int j = 0; j < HIDDEN; j++)
            for (int k = 0; k < CLASSES; k++) outputs[k] += hidden[j] * weights2[j][k];
        float largest = fmaxf(outputs[0], fmaxf(outputs[1], outputs[2]));
        for (int k = 0; k < CLASSES; k++) sum += outputs[k] = expf(outputs[k] - largest);
        for (int k = 0; k < CLASSES; k++)
            outputs[k] = (outputs[k] / sum - (k == labels[row])) / ROWS;
        for (int k = 0; k < CLASSES; k++) bias2_gradients[k] += outputs[k];
        for (int j = 0; j < HIDDEN; j++) {
            float slope = 0;
            for (int k = 0; k < CLASSES; k++) {
                weight2_gradients[j][k] += hidden[j] * outputs[k];
                slope += weights2[j][k] * outputs[k];
            }
            slopes[j] = hidden[j] > 0 ? slope : 0;
        }
        for (int j = 0; j < HIDDEN; j++) bias1_gradients[j] += slopes[j];
        for (int i = 0; i < INPUTS; i++)
            for (int j = 0; j < HIDDEN; j++) weight1_gradients[i][j] += inputs[row][i] * slopes[j];
    }
}

void train(Network *networks, int count, float inputs[ROWS][INPUTS], const int *labels, int steps) {
    float gradients[VALUES];
    for (int step = 1; step <= steps; step++) {
        const float correction1 = 1 - powf(0.9f, step), correction2 = 1 - powf(0.999f, step);
        for (Network *one = networks; one < networks + count; one++) {
            gradients_of(one->values, inputs, labels, gradients);
            for (int i = 0; i < VALUES; i++) {
                one->first[i] = 0.9f * one->first[i] + 0.1f * gradients[i];
                one->second[i] = 0.999f * one->second[i] + 0.001f * gradients[i] * gradients[i];
                one->values[i] -= 0.01f * (one->first[i] / correction1) /
                                  (sqrtf(one->second[i] / correction2) + 1e-8f);
            }
        }
    }
}
