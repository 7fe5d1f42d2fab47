import { expect, it } from "vitest";
import { pathAt, suggest } from "./complete";

const YAML = `method: bayes
metric:
  name: loss
  goal: min
parameters:
  lr: {distribution: log_uniform_values, min: 1e-5, max: 0.1}
  deep:
    parameters:
      width:
        dis
early_terminate: {type: hy
metrics:
  - name: a
    go
`;
const after = (text: string) => YAML.indexOf(text) + text.length;
const labels = (at: number) => suggest(YAML, at)?.options.map((one) => one.label) ?? null;

it("knows the keys above a place", () => {
  expect(pathAt(YAML, after("goal: min"))).toEqual(["metric"]);
  expect(pathAt(YAML, after("        dis"))).toEqual(["parameters", "deep", "parameters", "width"]);
  expect(pathAt(YAML, after("  lr: {distri")).filter(Boolean)).toEqual(["parameters", "lr"]);
  expect(pathAt(YAML, after("    go"))).toEqual(["metrics"]);
  expect(pathAt(YAML, 3)).toEqual([]);
});

it("offers what can stand there", () => {
  expect(labels(after("method: "))).toContain("bayes");
  expect(labels(after("goal: min"))).toEqual(["minimize", "maximize"]);
  expect(suggest(YAML, after("goal: min"))?.from).toBe(after("goal: "));
  expect(labels(after("        dis"))).toContain("distribution");
  expect(labels(after("{distribution: log_"))).toContain("log_uniform_values");
  expect(labels(after("log_uniform_values, "))).toContain("max");
  expect(labels(after("{type: hy"))).toContain("hyperband");
  expect(labels(after("    go"))).toContain("goal");
  expect(labels(2)).toContain("parameters");
  // A parameter may have any name.
  expect(labels(after("parameters:\n  lr"))).toEqual([]);
  expect(suggest("# met", 5)).toBeNull();
  expect(suggest("name: a b", 9)).toBeNull();
});

it("writes a key with its colon", () => {
  expect(suggest("me", 2)?.options.find((one) => one.label === "metric")?.apply).toBe("metric: ");
});
