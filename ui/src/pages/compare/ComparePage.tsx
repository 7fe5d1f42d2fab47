/** Some runs beside each other: what differs, their curves, where two of them part, their code. */
import { Tooltip, UnstyledButton, useComputedColorScheme } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { lazy, useEffect, useMemo } from "react";
import type { RunDetail } from "../../api/types";
import { type Look, look } from "../../charts/palette";
import { Icon } from "../../shell/Icons";
import { nameOf, segment } from "../../shell/links";
import { PartTabs } from "../../shell/PartTabs";
import { Swatch } from "../../shell/Swatch";
import { Trouble } from "../../shell/Trouble";
import { useSearchState } from "../../state/search";
import { Empty, StateBadge } from "../run/parts";
import styles from "./Compare.module.css";
import { DiffTable } from "./DiffTable";
import { type Compared, MOST_RUNS, useCompared } from "./useCompared";

export interface PartProps {
  project: string;
  compared: Compared;
  looks: readonly Look[];
}

const PARTS: readonly { id: string; label: string; body: React.ComponentType<PartProps> }[] = [
  { id: "", label: "Differences", body: DiffTable },
  { id: "curves", label: "Curves", body: lazy(async () => ({ default: (await import("./CurvesPart")).CurvesPart })) },
  {
    id: "parting",
    label: "Where they part",
    body: lazy(async () => ({ default: (await import("./PartingPart")).PartingPart })),
  },
  { id: "code", label: "Code", body: lazy(async () => ({ default: (await import("./CodePart")).CodePart })) },
];

export function ComparePage() {
  const params = useParams({ strict: false });
  const project = nameOf(params.project ?? "");
  const [search] = useSearchState();
  const ids = useMemo(
    () => [...new Set((search.runs ?? "").split(",").filter(Boolean))].slice(0, MOST_RUNS),
    [search.runs],
  );
  useEffect(() => {
    document.title = `Compare · ${project} · treering`;
  }, [project]);
  const compared = useCompared(ids);
  if (!compared.runs.length && compared.error) return <Trouble whole error={compared.error} />;
  if (compared.loading && !compared.runs.length) return null;
  if (compared.runs.length < 2) return <Choose project={project} />;
  return <Page project={project} compared={compared} />;
}

function Choose({ project }: { project: string }) {
  return (
    <Empty title="Nothing to compare yet">
      <p>
        Select two to twenty runs in{" "}
        <Link to="/$project" params={{ project: segment(project) }}>
          the table of the project
        </Link>{" "}
        and press Compare, or write their ids into the address: <code>?runs=ID,ID</code>.
      </p>
    </Empty>
  );
}

function Page({ project, compared }: { project: string; compared: Compared }) {
  const [search, setSearch] = useSearchState();
  const dark = useComputedColorScheme("light") === "dark";
  const looks = useMemo(() => compared.runs.map((_, at) => look(at, dark)), [compared.runs, dark]);
  const now = PARTS.find((part) => part.id === search.part) ?? PARTS[0];
  const Body = now?.body ?? DiffTable;
  return (
    <div className={styles.page}>
      <header className={styles.header}>
        <h1 className={styles.title}>{compared.runs.length} runs compared</h1>
        <Chips project={project} compared={compared} looks={looks} />
      </header>
      <PartTabs
        label="Parts of the comparison"
        parts={PARTS}
        now={now?.id ?? ""}
        onChange={(part) => setSearch({ part })}
      >
        <Body project={project} compared={compared} looks={looks} />
      </PartTabs>
    </div>
  );
}

/** The runs: where they lead, which one the others are compared with, and how to leave one out. */
function Chips({ project, compared, looks }: PartProps) {
  const [search, setSearch] = useSearchState();
  const { runs, missing } = compared;
  const without = (id: string) =>
    setSearch({
      runs: runs
        .map((run) => run.id)
        .filter((one) => one !== id)
        .join(","),
      ...(search.base === id ? { base: undefined } : {}),
    });
  return (
    <ul className={styles.chips} aria-label="Runs">
      {runs.map((run, at) => (
        <li key={run.id} className={styles.chip} data-base={search.base === run.id || undefined}>
          <Swatch look={looks[at]} />
          <Link
            to="/$project/runs/$run"
            params={{ project: segment(project), run: segment(run.id) }}
            className={styles.chipName}
            title={run.name}
          >
            {run.name}
          </Link>
          {run.state !== "finished" && <StateBadge state={run.state} />}
          <Baseline run={run} chosen={search.base === run.id} onChoose={(base) => setSearch({ base })} />
          {runs.length > 2 && (
            <UnstyledButton
              className={styles.chipButton}
              aria-label={`Leave ${run.name} out`}
              onClick={() => without(run.id)}
            >
              <Icon name="close" size={12} />
            </UnstyledButton>
          )}
        </li>
      ))}
      {missing.map((id) => (
        <li key={id} className={styles.missing}>
          {id} is not there
        </li>
      ))}
    </ul>
  );
}

interface BaselineProps {
  run: RunDetail;
  chosen: boolean;
  onChoose: (id: string | undefined) => void;
}

function Baseline({ run, chosen, onChoose }: BaselineProps) {
  const label = chosen ? `No longer compare with ${run.name}` : `Compare the others with ${run.name}, in %`;
  return (
    <Tooltip label={label}>
      <UnstyledButton
        className={styles.chipButton}
        aria-pressed={chosen}
        aria-label={label}
        onClick={() => onChoose(chosen ? undefined : run.id)}
      >
        {chosen ? "baseline" : "%"}
      </UnstyledButton>
    </Tooltip>
  );
}
