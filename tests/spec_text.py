"""The text of a valid spec, for tests that break it."""

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
