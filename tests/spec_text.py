"""The text of a valid spec and of the rows that it names, for tests that break them."""

VALID = """\
task: sentiment
data:
  train: train.csv
  labels: [neg, pos]
model:
  base: ./base
training:
  epochs: 1
"""

TRAIN = "text,label\n" + "".join(f"text {row},{('neg', 'pos')[row % 2]}\n" for row in range(20))
