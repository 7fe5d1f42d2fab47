import { expect, it } from "vitest";
import type { MetricRow } from "../../../api/types";
import { watched } from "./layers";

const metrics = (...keys: string[]) => keys.map((key) => ({ key }) as MetricRow);

it("finds the parameters of a model, in their order", () => {
  const [one, ...others] = watched(
    metrics(
      "loss",
      "grad/norm",
      "update/ratio",
      "grad/layer/a.weight",
      "grad/layer/a.bias",
      "update/layer/a.weight",
      "grad/histogram/a.bias",
      "param/histogram/a.bias",
    ),
  );
  expect(others).toEqual([]);
  expect(one).toEqual({
    name: "",
    together: ["grad/norm", "update/ratio"],
    layers: [
      { name: "a.weight", norm: "grad/layer/a.weight", ratio: "update/layer/a.weight" },
      {
        name: "a.bias",
        norm: "grad/layer/a.bias",
        gradients: "grad/histogram/a.bias",
        parameters: "param/histogram/a.bias",
      },
    ],
  });
});

it("tells several models apart", () => {
  const found = watched(metrics("grad/g/norm", "grad/g/layer/w", "grad/d/layer/w", "update/d/ratio"));
  expect(found.map((one) => [one.name, one.together, one.layers.map((layer) => layer.norm)])).toEqual([
    ["g", ["grad/g/norm"], ["grad/g/layer/w"]],
    ["d", ["update/d/ratio"], ["grad/d/layer/w"]],
  ]);
});
