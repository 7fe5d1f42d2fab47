/** How much of the collection stays: its rule, what the next clean-up deletes, and what another rule would come to. */
import { NumberInput, Select, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useSearchState } from "../../state/search";
import { quoted } from "../run/overview/reproduce";
import type { PartProps } from "./ArtifactPage";
import styles from "./Artifacts.module.css";
import { Commands, PlanView } from "./Leaving";
import { usePlan } from "./useArtifacts";

export function RetentionPart({ page }: PartProps) {
  const { project, name, rule } = page;
  return (
    <>
      <p>
        {rule ? (
          <>
            Kept are <strong>{rule}</strong>. In any case stay the newest version, what is in a stage, and what a run
            uses that is going on.
          </>
        ) : (
          "No rule: every version is kept until somebody deletes it or its time is over."
        )}
      </p>
      <Now project={project} name={name} />
      <Try project={project} name={name} />
    </>
  );
}

interface Place {
  project: string;
  name: string;
}

function Now({ project, name }: Place) {
  const { data, error } = usePlan({ project, name });
  return (
    <section aria-label="The next clean-up">
      <h3 className={styles.h3}>The next clean-up</h3>
      {error ? <p className={styles.error}>{error.message}</p> : <PlanView data={data} />}
      {data?.plan && data.plan.leaving.length > 0 && (
        <Commands lines={["treering artifact gc --plan", "treering artifact gc"]} />
      )}
    </section>
  );
}

const NUMBERS = [
  ["last", "Newest"],
  ["best", "Best"],
  ["days", "Younger than, days"],
] as const;

function Try({ project, name }: Place) {
  const [search, setSearch] = useSearchState();
  const { last, best, days, metric, mode } = search;
  const asked = Boolean(last || best || days);
  const [query] = useDebouncedValue({ project, name, last, best, days, metric, mode }, 400);
  const given = Object.fromEntries(Object.entries(query).filter(([, value]) => value));
  const { data, error } = usePlan(given, asked && Boolean(query.last || query.best || query.days));
  return (
    <section aria-label="Try a rule">
      <h3 className={styles.h3}>Try a rule</h3>
      <p className={styles.dim}>It is only tried here. The command below sets it; the next clean-up acts on it.</p>
      <div className={styles.rule}>
        {NUMBERS.map(([key, label]) => (
          <NumberInput
            key={key}
            size="xs"
            label={label}
            min={key === "days" ? 0 : 1}
            allowDecimal={key === "days"}
            value={search[key] ? Number(search[key]) : ""}
            onChange={(value) => setSearch({ [key]: Number(value) > 0 ? String(value) : undefined })}
          />
        ))}
        {best && (
          <>
            <TextInput
              size="xs"
              label="Best by"
              placeholder="score"
              value={metric ?? ""}
              onChange={(event) => setSearch({ metric: event.currentTarget.value || undefined })}
            />
            <Select
              label="Good is"
              placeholder="as recorded"
              clearable
              data={[
                { value: "min", label: "small" },
                { value: "max", label: "large" },
              ]}
              value={mode ?? null}
              onChange={(value) => setSearch({ mode: value ?? undefined })}
            />
          </>
        )}
      </div>
      {asked && (
        <>
          {error ? <p className={styles.error}>{error.message}</p> : <PlanView data={data} />}
          <Commands lines={[command(project, name, search)]} />
        </>
      )}
    </section>
  );
}

function command(project: string, name: string, search: Record<string, string>): string {
  const options = ["last", "best", "metric", "mode", "days"].flatMap((key) =>
    search[key] && (search.best || (key !== "metric" && key !== "mode")) ? [`--${key}`, quoted(search[key])] : [],
  );
  return ["treering artifact keep", quoted(name), ...options, "--project", quoted(project)].join(" ");
}
