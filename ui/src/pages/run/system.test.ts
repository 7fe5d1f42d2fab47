import { expect, it } from "vitest";
import { shortName, systemSections } from "./system";

it("puts each graphics card into a section, and all cores into one", () => {
  const keys = [
    "cpu/percent",
    "cpu/0/percent",
    "cpu/1/percent",
    "memory/used_mb",
    "gpu/10/power_w",
    "gpu/2/power_w",
    "odd",
  ];
  expect(systemSections(keys)).toEqual([
    { title: "GPU 2", keys: ["gpu/2/power_w"] },
    { title: "GPU 10", keys: ["gpu/10/power_w"] },
    { title: "CPU", keys: ["cpu/percent"] },
    { title: "Memory", keys: ["memory/used_mb"] },
    { title: "odd", keys: ["odd"] },
    { title: "CPU cores", keys: ["cpu/0/percent", "cpu/1/percent"] },
  ]);
  expect(["cpu/percent", "cpu/1/percent", "gpu/2/power_w", "memory/used_mb"].map(shortName)).toEqual([
    "percent",
    "1 percent",
    "power w",
    "used MB",
  ]);
});
