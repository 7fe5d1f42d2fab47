import { expect, it } from "vitest";
import { readBrushes, within, writeBrushes } from "./brush";
import { metricDims, numberAt, optionText, parameterDims, placeOf, textAt, ticksOf } from "./dims";
import { lanesOf } from "./lanes";
import { agentCommand } from "./parts";
import { spotsOf, surfaceOf } from "./surface";
import { predicted } from "./tip";
import { merged, records, seconds, sorted, stairs, standing } from "./trials";
import type { AxisRow, TrialRow, Trials } from "./types";

const BLANK: TrialRow = {
  number: 0,
  state: "finished",
  run_id: "r",
  attempt: 1,
  agent: "a",
  point: {},
  origin: "random",
  values: null,
  constraints: null,
  created_us: 0,
  started_us: 0,
  ended_us: 1_000_000,
  count: 1,
  last: null,
  audited: false,
  prediction: null,
  failure: null,
  deaths: 0,
  revision: 1,
};
const trial = (number: number, value: number | null, rest: Partial<TrialRow> = {}): TrialRow => ({
  ...BLANK,
  number,
  values: value === null ? null : [value],
  ...rest,
});
const AXES: AxisRow[] = [
  { name: "lr", kind: "float", distribution: "log", log: true, low: 1e-5, high: 0.1, values: null },
  {
    name: "opt,im",
    kind: "choice",
    distribution: "categorical",
    log: false,
    low: null,
    high: null,
    values: ["adam", "3", 3, "a;b"],
  },
  { name: "layers", kind: "int", distribution: "int_uniform", log: false, low: 1, high: 6, values: null },
];
const GOAL = { name: "loss", goal: "minimize", target: null } as const;

it("puts values in their places", () => {
  const [lr, optim, layers] = parameterDims(AXES, []);
  if (!lr || !optim || !layers) throw new Error("axes are missing");
  expect(placeOf(lr, 0.01)).toBeCloseTo(-2);
  expect(placeOf(lr, 0)).toBeUndefined();
  expect(textAt(lr, -2)).toBe("0.01");
  // A number and a text that looks like it are two options.
  expect(optim.options).toEqual(["adam", '"3"', "3", "a;b"]);
  expect([placeOf(optim, "3"), placeOf(optim, 3), placeOf(optim, "sgd")]).toEqual([1, 2, undefined]);
  expect(optionText("true")).toBe('"true"');
  expect(ticksOf(layers, 4)).toEqual([2, 4, 6]);
  expect(ticksOf(lr, 7)).toEqual([-5, -4, -3, -2, -1]);
});

it("chooses axes and ticks that can be read", () => {
  const narrow = { ...AXES[0], low: 32, high: 256 } as AxisRow;
  const [dim] = parameterDims([narrow], []);
  if (!dim) throw new Error("no axis");
  expect(ticksOf(dim, 6).map((place) => Math.round(10 ** place))).toEqual([50, 100, 200]);
  const [tight] = parameterDims([{ ...narrow, low: 0.011, high: 0.019 }], []);
  expect(ticksOf(tight ?? dim, 4).map((place) => numberAt(tight ?? dim, place))).toEqual([0.012, 0.014, 0.016, 0.018]);
  expect(metricDims([GOAL], [trial(0, 1), trial(1, 2000)])[0]?.log).toBe(true);
  expect(metricDims([GOAL], [trial(0, -1), trial(1, 2000)])[0]?.log).toBe(false);
  expect(metricDims([GOAL], [])[0]).toMatchObject({ low: expect.any(Number), high: expect.any(Number) });
});

it("writes ranges into the address, and finds the trials within them", () => {
  const dims = parameterDims(AXES, []);
  const brushes = new Map<string, readonly [number, number]>([
    ["lr", [-4, -2]],
    ["opt,im", [1.6, 3.2]],
  ]);
  const text = writeBrushes(brushes, dims);
  expect(text).toBe("lr:0.0001:0.01,opt%2Cim:3;a%3Bb");
  expect(readBrushes(text, dims)).toEqual(
    new Map([
      ["lr", [-4, -2]],
      ["opt,im", [1.5, 3.5]],
    ]),
  );
  expect(readBrushes("no:1:2,lr:x:y,layers:5:2,lr", dims).size).toBeLessThanOrEqual(1);
  const point = (lr: number, optim: string | number) => ({ lr, "opt,im": optim, layers: 1 });
  const found = [
    trial(0, 1, { point: point(0.001, "a;b") }),
    trial(1, 1, { point: point(0.001, "adam") }),
    trial(2, 1, { point: point(0.1, 3) }),
    trial(3, 1, { point: { layers: 2 } }),
  ];
  expect(within(found, brushes, dims).map((one) => one.number)).toEqual([0]);
  expect(within(found, new Map(), dims)).toHaveLength(4);
});

it("knows the best so far, and only from trials that count", () => {
  const found = [
    trial(0, 3),
    trial(1, 0.1, { state: "stopped" }),
    trial(2, 1, { constraints: [0.5] }),
    trial(3, 2),
    trial(4, 2),
    trial(5, 1.5),
  ];
  expect(records(found, "minimize", 0).map((one) => one.trial.number)).toEqual([0, 3, 5]);
  expect(records(found, "maximize", 0).map((one) => one.trial.number)).toEqual([0]);
  expect(
    stairs(
      [
        { x: 0, y: 3 },
        { x: 3, y: 2 },
      ],
      6,
    ),
  ).toEqual([
    [0, 3],
    [3, 3],
    [3, 2],
    [6, 2],
  ]);
  const ranks = standing(found, "minimize", 0);
  expect([ranks.get(1), ranks.get(0)]).toEqual([1, 0]);
});

it("puts news over what is known", () => {
  const page = (revision: number, trials: TrialRow[]): Trials => ({
    revision,
    state: "running",
    trials,
    front: [],
    audit: { stopped: 0, audited: 0, wrong: 0, told: 0, held: 0 },
  });
  const first = page(1, [trial(0, 1), trial(1, null)]);
  const next = merged(first, page(2, [trial(2, null), trial(1, 5)]));
  expect(next.trials.map((one) => [one.number, one.values?.[0]])).toEqual([
    [0, 1],
    [1, 5],
    [2, undefined],
  ]);
  expect(next.trials[0]).toBe(first.trials[0]);
  expect(merged(next, page(3, [])).trials).toBe(next.trials);
});

it("sorts what has no value last, both ways", () => {
  const found = [trial(0, 2), trial(1, null), trial(2, 1)];
  const key = (one: TrialRow) => (one.values?.[0] as number | undefined) ?? undefined;
  expect(sorted(found, false, key).map((one) => one.number)).toEqual([2, 0, 1]);
  expect(sorted(found, true, key).map((one) => one.number)).toEqual([0, 2, 1]);
});

it("keeps options apart in a surface", () => {
  const [lr, optim] = parameterDims(AXES, []);
  if (!lr || !optim) throw new Error("axes are missing");
  const found = [
    trial(0, 0, { point: { lr: 0.001, "opt,im": "adam" } }),
    trial(1, 10, { point: { lr: 0.001, "opt,im": 3 } }),
  ];
  const surface = surfaceOf(spotsOf(found, lr, optim, 0), lr, optim, 4, 4);
  expect([...surface.values.slice(0, 4)]).toEqual([0, 0, 0, 0]);
  expect(surface.values[4]).toBeNaN(); // nobody tried it
  expect(surface.values[8]).toBe(1);
});

it("lays agents' trials over time", () => {
  const { lanes, startUs, endUs } = lanesOf(
    [
      trial(0, 1, { agent: "a", started_us: 1e6, ended_us: 3e6 }),
      trial(1, null, { agent: "b", state: "running", started_us: 2e6, ended_us: null }),
      trial(2, null, { agent: "", state: "waiting", started_us: null, ended_us: null }),
    ],
    [],
    5e6,
  );
  expect([startUs, endUs]).toEqual([1e6, 5e6]);
  expect(lanes.map((lane) => lane.pieces.map((piece) => [piece.from, piece.to]))).toEqual([[[0, 0.5]], [[0.25, 1]]]);
  expect(seconds(trial(1, null, { state: "running", started_us: 2e6, ended_us: null }), 5e6)).toBe(3);
});

it("writes commands that a shell takes as they are meant", () => {
  expect(agentCommand({ id: "abc", count: 5 })).toBe("treering agent abc --count 5");
  expect(agentCommand({ id: "abc", entity: "it's $me", apiKey: "k y" }, "https://h.example")).toBe(
    `TREERING_API_KEY='k y' treering agent abc --entity 'it'"'"'s $me' --url https://h.example`,
  );
});

it("tells a prediction with its interval", () => {
  const told = { value: 0.4, low: 0.3, high: 0.5, count: 3, reason: "", wrong: null };
  expect(predicted(told)).toBe("0.4 (0.3 to 0.5)");
  expect(predicted({ ...told, low: null, high: null })).toBe("0.4");
});
