// Runs the check samples of the network and says over the serial line whether all answers are exact, and
// how long one takes.
#include <tiny.h>
#include <tiny-check.h>

static tiny_net net;

void setup() {
  Serial.begin(115200);
  while (!Serial) {
  }
}

void loop() {
  const unsigned long begun = micros();
  const uint32_t wrong = tiny_check(&net);
  const unsigned long microseconds = (micros() - begun) / tiny_CHECK_SAMPLES;
  Serial.print(wrong ? "wrong: " : "ok: ");
  Serial.print(tiny_CHECK_SAMPLES - wrong);
  Serial.print(" of ");
  Serial.print(tiny_CHECK_SAMPLES);
  Serial.print(" samples are exactly as expected; microseconds a sample: ");
  Serial.println(microseconds);
  delay(5000);
}
