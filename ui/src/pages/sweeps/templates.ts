/** Sweeps to begin with. */

export const TEMPLATES = {
  bayes: `# A model of what was good so far chooses the next point.
program: train.py
method: bayes
metric: {name: val/loss, goal: minimize}
run_cap: 30
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  batch_size: {values: [16, 32, 64]}
  dropout: {min: 0.0, max: 0.5}
early_terminate: {type: hyperband, min_iter: 3, audit: 0.1}
`,
  random: `# Points at random: nothing to wait for, and a good look at a new problem.
program: train.py
method: random
metric: {name: val/loss, goal: minimize}
run_cap: 20
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  layers: {min: 1, max: 6}
`,
  grid: `# Every combination once.
program: train.py
method: grid
metric: {name: val/accuracy, goal: maximize}
parameters:
  optimizer: {values: [adam, sgd]}
  batch_size: {values: [16, 32, 64]}
  seed: {values: [0, 1, 2]}
`,
  several: `# Two objectives: the search brings what none is better than in both.
program: train.py
method: nsga2
metrics:
  - {name: val/accuracy, goal: maximize}
  - {name: latency_ms, goal: minimize}
run_cap: 60
parameters:
  width: {distribution: q_log_uniform_values, min: 16, max: 512, q: 16}
  layers: {min: 1, max: 8}
`,
} as const;

export type TemplateName = keyof typeof TEMPLATES;

export const TEMPLATE_NAMES: readonly { value: TemplateName; label: string }[] = [
  { value: "bayes", label: "Bayesian" },
  { value: "random", label: "Random" },
  { value: "grid", label: "Grid" },
  { value: "several", label: "Several objectives" },
];
