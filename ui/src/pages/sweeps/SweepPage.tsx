/** One sweep: where it stands, what it found, what matters, and every trial. */
import { useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { nameOf } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import { Copy, Panel } from "../run/parts";
import { Body } from "./Body";
import { Commands } from "./Commands";
import { Header } from "./Header";
import styles from "./SweepPage.module.css";
import type { SweepDetail } from "./types";
import { useSweep, useSweepNews, useTrials } from "./useSweep";

export function SweepPage() {
  const params = useParams({ strict: false });
  const id = nameOf(params.sweep ?? "");
  const { data: sweep, error } = useSweep(id);
  const { data: found, error: failed } = useTrials(id);
  useSweepNews(sweep?.project, ["sweep", "trials"], id);
  useEffect(() => {
    if (!sweep) return;
    document.title = `${sweep.name} · ${sweep.project} · treering`;
    const crumb = document.getElementById("crumb-sweep");
    if (crumb) crumb.textContent = sweep.name;
  }, [sweep]);
  const trouble = (!sweep && error) || (!found && failed);
  if (trouble) return <Trouble whole error={trouble} />;
  if (!sweep || !found) return null;
  return (
    <div className={styles.page}>
      <Header sweep={sweep} />
      {found.trials.length ? <Body key={id} sweep={sweep} found={found} /> : <NoTrials id={id} />}
      <Definition sweep={sweep} />
    </div>
  );
}

function NoTrials({ id }: { id: string }) {
  return (
    <Panel title="No trials yet">
      <Commands id={id} />
      <p className={styles.means}>What they find appears here by itself.</p>
    </Panel>
  );
}

function Definition({ sweep }: { sweep: SweepDetail }) {
  return (
    <Panel title="Definition" actions={<Copy text={sweep.source} label="Copy the YAML" />}>
      {sweep.warnings.length > 0 && (
        <ul className={styles.warnings}>
          {sweep.warnings.map((one) => (
            <li key={`${one.line}:${one.column}:${one.message}`}>
              {one.line > 0 && `Line ${one.line}: `}
              {one.message}
              {one.fix && `; ${one.fix}`}
            </li>
          ))}
        </ul>
      )}
      <pre className={styles.source} tabIndex={0}>
        {sweep.source}
      </pre>
    </Panel>
  );
}
