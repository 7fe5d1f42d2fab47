/** Pictures, films, tables, texts and histograms, each with the steps at which it was logged. */
import { ActionIcon, Slider, TextInput } from "@mantine/core";
import { useIntersection } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { get } from "../../../api/client";
import type { MetricRow, RunDetail, Value } from "../../../api/types";
import { asNumber } from "../../../api/values";
import { matching } from "../../../charts/sections";
import { short } from "../../../format/numbers";
import { Icon } from "../../../shell/Icons";
import { useSearchState } from "../../../state/search";
import { OverTime } from "../heat/OverTime";
import { Panel } from "../parts";
import { isMedia } from "../tabs";
import styles from "./Media.module.css";
import { Medium } from "./Medium";
import { media } from "./values";

// Several of these stand one below the other.
const BROAD = new Set(["audio", "chart", "html", "object3d"]);

interface Row {
  row: number;
  x: Value;
  value: Value;
}

interface Page {
  kind: string;
  rows: Row[];
  total: number;
}

const PAGE = 10;

export function MediaTab({ run }: { run: RunDetail }) {
  const [search, setSearch] = useSearchState();
  const metrics = run.metrics.filter(isMedia);
  const shown = metrics.filter(({ key }) => matching(search.find ?? "")(key));
  return (
    <div className={styles.tab}>
      {metrics.length > 4 && (
        <TextInput
          size="xs"
          className={styles.find ?? ""}
          aria-label="Find media"
          placeholder="Find media (regex)"
          leftSection={<Icon name="search" size={13} />}
          value={search.find ?? ""}
          onChange={(event) => setSearch({ find: event.currentTarget.value || undefined })}
        />
      )}
      <div className={styles.cards}>
        {shown.map((metric) => (
          <Card key={metric.key} run={run} metric={metric} />
        ))}
      </div>
    </div>
  );
}

function Card({ run, metric }: { run: RunDetail; metric: MetricRow }) {
  const { ref, entry } = useIntersection({ rootMargin: "300px" });
  const [seen, setSeen] = useState(false);
  const [wide, setWide] = useState(false);
  const near = entry?.isIntersecting === true;
  useEffect(() => {
    if (near) setSeen(true);
  }, [near]);
  return (
    <div ref={ref} className={wide ? styles.wide : styles.card} data-medium={metric.key}>
      {metric.kind === "histogram" ? (
        <Panel title={metric.key} note={`${metric.count.toLocaleString("en")} steps`}>
          {seen && <OverTime run={run.id} name={metric.key} height={260} />}
        </Panel>
      ) : (
        seen && <Steps run={run.id} metric={metric} onWide={() => setWide(true)} />
      )}
    </div>
  );
}

/** A medium at one of its steps; it stays at the newest until somebody chooses another. */
function Steps({ run, metric, onWide }: { run: string; metric: MetricRow; onWide: () => void }) {
  const [chosen, setChosen] = useState<number | null>(null);
  const total = metric.count;
  const at = Math.min(chosen ?? total - 1, total - 1);
  const start = at - (at % PAGE);
  const size = Math.min(PAGE, total - start);
  const { data, error } = useQuery({
    queryKey: ["media", run, metric.key, start, size],
    queryFn: ({ signal }) =>
      get<Page>(`/runs/${encodeURIComponent(run)}/media`, { key: metric.key, start, limit: PAGE }, signal),
    placeholderData: (before) => before,
  });
  const row = data?.rows[Math.min(at - start, data.rows.length - 1)];
  const found = media(row?.value);
  const isTable = found.some((one) => one.kind === "table");
  const isBroad = found.some((one) => BROAD.has(one.kind));
  useEffect(() => {
    if (isTable) onWide();
  }, [isTable, onWide]);
  const step = asNumber(row?.x);
  return (
    <Panel title={metric.key} note={step === undefined ? undefined : `step ${short(step, 9)}`}>
      {error && <p className={styles.error}>{error.message}</p>}
      <div className={found.length === 1 ? styles.single : isBroad ? styles.stack : styles.grid}>
        {found.map((medium, item) => (
          <Medium
            // An object is looked at from where the one of the step before was; others are new at each step.
            key={medium.kind === "object3d" ? `space-${item}` : `${row?.row}-${item}`}
            run={run}
            name={metric.key}
            row={row?.row ?? 0}
            item={item}
            medium={medium}
          />
        ))}
        {row && !found.length && <p className={styles.error}>This treering does not know how to show it.</p>}
      </div>
      {total > 1 && (
        <div className={styles.steps}>
          <Walk label="The step before" icon="chevronLeft" off={at <= 0} onClick={() => setChosen(at - 1)} />
          <Slider
            className={styles.slider ?? ""}
            size="sm"
            min={0}
            max={total - 1}
            value={at}
            label={null}
            thumbLabel={`Step of ${metric.key}`}
            onChange={(next) => setChosen(next === total - 1 ? null : next)}
          />
          <Walk
            label="The next step"
            icon="chevronRight"
            off={at >= total - 1}
            onClick={() => setChosen(at + 1 === total - 1 ? null : at + 1)}
          />
          <span className={styles.place}>
            {at + 1} / {total.toLocaleString("en")}
          </span>
        </div>
      )}
    </Panel>
  );
}

interface WalkProps {
  label: string;
  icon: "chevronLeft" | "chevronRight";
  off: boolean;
  onClick: () => void;
}

function Walk({ label, icon, off, onClick }: WalkProps) {
  return (
    <ActionIcon variant="subtle" color="gray" size="sm" aria-label={label} disabled={off} onClick={onClick}>
      <Icon name="chevronRight" size={14} className={icon === "chevronLeft" ? styles.turned : undefined} />
    </ActionIcon>
  );
}
