/** What a version is, and how to change what people say of it. */
import { Button } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { Value } from "../../api/types";
import { asText } from "../../api/values";
import { short, things } from "../../format/numbers";
import { ago, exact } from "../../format/time";
import { Icon } from "../../shell/Icons";
import { segment } from "../../shell/links";
import { leaves } from "../run/overview/tree";
import { bytes, Copy, Facts, Panel } from "../run/parts";
import type { PartProps } from "./ArtifactPage";
import styles from "./Artifacts.module.css";
import { Edit, Stage } from "./Edit";
import { Names } from "./VersionList";

export function About({ page, version }: PartProps) {
  const [dialog, setDialog] = useState<"edit" | "stage" | null>(null);
  const title = `${version.name}:v${version.version}`;
  const close = () => setDialog(null);
  return (
    <Panel
      title={title}
      note={<Names version={version} />}
      actions={
        <>
          {page.stages.length > 0 && (
            <Button size="compact-xs" variant="default" onClick={() => setDialog("stage")}>
              Stage
            </Button>
          )}
          <Button
            size="compact-xs"
            variant="default"
            leftSection={<Icon name="edit" size={12} />}
            onClick={() => setDialog("edit")}
          >
            Edit
          </Button>
        </>
      }
    >
      {version.description && <p className={styles.description}>{version.description}</p>}
      <div className={styles.facts}>
        <Origin version={version} />
        <Metadata metadata={version.metadata} />
      </div>
      {dialog === "edit" && <Edit version={version} onClose={close} />}
      {dialog === "stage" && <Stage page={page} version={version} onClose={close} />}
    </Panel>
  );
}

function Origin({ version }: Pick<PartProps, "version">) {
  const { project, name, run_id, run_name, size, stored, files, digest, created_us, used_by } = version;
  const use = `run.use_artifact("${project}/${name}:v${version.version}")`;
  return (
    <Facts
      facts={[
        [
          "made by",
          run_name !== null ? (
            <Link key="r" to="/$project/runs/$run" params={{ project: segment(project), run: segment(run_id) }}>
              {run_name}
            </Link>
          ) : (
            run_id || "no run"
          ),
        ],
        ["made", <time key="t" title={exact(created_us)}>{`${exact(created_us)}, ${ago(created_us)}`}</time>],
        ["size", `${bytes(size)} in ${things(files, "file")}`],
        ["stored", stored < size ? `${bytes(stored)} were new when it was saved` : bytes(stored)],
        ["score", version.score === null ? null : short(version.score, 6)],
        ["used by", used_by ? things(used_by, "run") : null],
        ["ends", version.expires_us === null ? null : exact(version.expires_us)],
        ["leaves", version.leaving && <span className={styles.warn}>{version.leaving}</span>],
        [
          "digest",
          <span key="d" className={styles.copied}>
            <code>{digest.slice(0, 12)}</code>
            <Copy text={digest} label="Copy the digest" />
          </span>,
        ],
        [
          "use it",
          <span key="u" className={styles.copied}>
            <code>{use}</code>
            <Copy text={use} label="Copy the line" />
          </span>,
        ],
      ]}
    />
  );
}

const MOST = 40;

/** A value on one line; a number in the figures that count, all of them where somebody points at it. */
function shown(value: Value) {
  if (typeof value === "number") return <span title={asText(value)}>{short(value, 6)}</span>;
  return Array.isArray(value) ? value.map(asText).join(", ") : asText(value);
}

function Metadata({ metadata }: { metadata: Value }) {
  const found = [...leaves(metadata)];
  if (!found.length) return null;
  return (
    <section className={styles.metadata} tabIndex={0} aria-label="Metadata">
      <Facts facts={found.slice(0, MOST).map(([key, value]) => [key, shown(value)] as const)} />
      {found.length > MOST && <p className={styles.dim}>and {found.length - MOST} more</p>}
    </section>
  );
}
