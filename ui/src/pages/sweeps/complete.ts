/** What can be written next in a sweep's YAML: keys by where the cursor is, and words where only some are taken. */

export interface Suggestions {
  /** Where the word that is being written begins. */
  from: number;
  options: readonly Suggestion[];
}

export interface Suggestion {
  label: string;
  /** What is put in; the label where it says nothing else. */
  apply: string;
  detail: string;
}

type Words = Readonly<Record<string, string>>;

const TOP: Words = {
  method: "how points are chosen",
  metric: "what is searched for",
  metrics: "two or more objectives",
  parameters: "the search space",
  program: "what an agent starts",
  command: "the whole command, as a list",
  run_cap: "trials altogether",
  early_terminate: "stop what leads nowhere",
  name: "of the sweep",
  description: "",
  project: "of its runs",
  entity: "the team, told to its programs",
  seed: "the same seed draws the same points",
  initial_points: "to be tried first",
  prior: "ids of earlier sweeps or runs",
  constraints: "metrics that must lie between ends",
};
const METRIC: Words = {
  name: "as the program logs it",
  goal: "minimize or maximize",
  target: "the sweep ends when it is reached",
  impute: "value of a run that failed",
  impute_while_running: "value of one that runs",
};
const PARAMETER: Words = {
  values: "one of these",
  value: "always this",
  min: "smallest",
  max: "largest",
  distribution: "how values are drawn",
  q: "rounded to multiples of it",
  mu: "mean",
  sigma: "standard deviation",
  a: "of beta",
  b: "of beta",
  probabilities: "one for each of the values",
  parameters: "nested ones",
  when: "only where another one has these values",
};
const STOP: Words = {
  type: "the rule",
  min_iter: "log calls up to the first look",
  max_iter: "log calls of a whole trial",
  s: "number of looks, with max_iter",
  eta: "one of so many goes on",
  strict: "the value at the look counts, not the best so far",
  audit: "share that runs on, to see whether the rule is right",
  min_trials: "of median: trials before the first stop",
  p: "of wilcoxon",
};
const CONSTRAINT: Words = { metric: "its name", min: "at least", max: "at most" };

const METHODS: Words = {
  bayes: "a model of what is good: the best for most",
  random: "points at random",
  grid: "every combination",
  tpe: "Optuna's tree-structured Parzen estimator",
  gp: "Optuna's Gaussian process",
  cmaes: "an evolution strategy, for numbers",
  qmc: "points that cover the space evenly",
  nsga2: "for several objectives",
  nsga3: "for many objectives",
  auto: "what Optuna takes for the space",
};
const DISTRIBUTIONS: Words = {
  uniform: "min, max",
  log_uniform_values: "min, max: for learning rates",
  int_uniform: "min, max: whole numbers",
  categorical: "values",
  q_uniform: "min, max, q",
  q_log_uniform_values: "min, max, q",
  normal: "mu, sigma",
  log_normal: "mu, sigma",
  q_normal: "mu, sigma, q",
  q_log_normal: "mu, sigma, q",
  beta: "a, b",
  q_beta: "a, b, q",
  inv_log_uniform_values: "min, max",
  constant: "value",
  categorical_w_probabilities: "values, probabilities",
  log_uniform: "min, max are exponents of e",
  q_log_uniform: "min, max are exponents of e; q",
  inv_log_uniform: "min, max are exponents of e",
};
const words = (...names: string[]): Words => Object.fromEntries(names.map((name) => [name, ""]));

const VALUES: Record<string, Words> = {
  method: METHODS,
  "metric.goal": words("minimize", "maximize"),
  "metrics.goal": words("minimize", "maximize"),
  "metric.impute": words("worst", "best", "latest"),
  "metric.impute_while_running": words("false", "worst", "best", "latest"),
  "early_terminate.type": {
    hyperband: "as W&B has it",
    median: "worse than the middle of the others",
    asha: "successive halving",
    wilcoxon: "for folds or seeds",
  },
  "early_terminate.strict": words("true", "false"),
};

/** The keys above a place, from the top down; "-" stands for an item of a list. */
export function pathAt(text: string, at: number): string[] {
  const before = text.slice(0, at);
  const lines = before.split("\n");
  const line = lines.pop() ?? "";
  const path = flowPath(line);
  let limit = indentOf(line);
  // The key of the line itself is above what stands in braces on it, and above nothing else.
  if (path.length) path.unshift(...ownKey(line));
  for (let number = lines.length - 1; number >= 0 && limit > 0; number--) {
    const above = lines[number] ?? "";
    if (!above.trim() || above.trim().startsWith("#")) continue;
    const indent = indentOf(above);
    if (indent >= limit) continue;
    limit = above.trim().startsWith("-") ? above.indexOf("-") : indent;
    path.unshift(...ownKey(above));
  }
  return path;
}

/** Where a line's first key stands: behind the dash of a list's item. */
function indentOf(line: string): number {
  return (/^\s*(- )*\s*/.exec(line) ?? [""])[0].length;
}

function ownKey(line: string): string[] {
  const found = /^\s*(?:- )*\s*([^\s:{[#][^:{[]*?)\s*:/.exec(line);
  return found?.[1] === undefined ? [] : [found[1].replace(/^["']|["']$/g, "")];
}

/** Keys whose braces are open at the end of a line, without the first: "" where the line's own key has the brace. */
function flowPath(line: string): string[] {
  const open: string[] = [];
  let key = "";
  let word = "";
  for (const letter of line) {
    if (letter === "{") {
      open.push(key);
      [key, word] = ["", ""];
    } else if (letter === "}") {
      open.pop();
      [key, word] = ["", ""];
    } else if (letter === ":") {
      key = word.trim();
    } else if (letter === "," || letter === "[") {
      [key, word] = [letter === "[" ? key : "", ""];
    } else word += letter;
  }
  if (!open.length) return [];
  return ["", ...open.slice(1)];
}

const PLAIN: Readonly<Record<string, Words>> = {
  metric: METRIC,
  metrics: METRIC,
  early_terminate: STOP,
  constraints: CONSTRAINT,
};

function keysOf(path: readonly string[]): Words | null {
  const [first, ...rest] = path.filter((key) => key !== "");
  if (first === undefined) return TOP;
  if (first === "parameters") return keysOfParameters(rest);
  return rest.length ? null : (PLAIN[first] ?? null);
}

/** Below `parameters` are names, which may be anything; below a name are its keys. */
function keysOfParameters(path: readonly string[]): Words | null {
  let isName = true;
  for (const key of path) {
    if (!isName && key !== "parameters") return null;
    isName = !isName;
  }
  return isName ? {} : PARAMETER;
}

function valuesOf(path: readonly string[], key: string): Words | null {
  const place = [...path.filter((one) => one !== ""), key].join(".");
  const known = VALUES[place];
  if (known) return known;
  return path[0] === "parameters" && key === "distribution" ? DISTRIBUTIONS : null;
}

export function suggest(text: string, at: number): Suggestions | null {
  const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
  if (/(^|\s)#/.test(line)) return null;
  const path = pathAt(text, at);
  const value = /(?:^|[{,\s])([\w./-]+):\s+([\w-]*)$/.exec(line);
  if (value) {
    const found = valuesOf(path, value[1] ?? "");
    return found && told(found, at - (value[2] ?? "").length, "");
  }
  const word = (/[\w-]*$/.exec(line) ?? [""])[0];
  if (!/(^\s*(- )*|[{,]\s*)$/.test(line.slice(0, line.length - word.length))) return null;
  const keys = keysOf(path);
  return keys && told(keys, at - word.length, ": ");
}

function told(found: Words, from: number, after: string): Suggestions {
  const options = Object.entries(found).map(([label, detail]) => ({ label, apply: label + after, detail }));
  return { from, options };
}
