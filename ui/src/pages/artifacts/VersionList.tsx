/** All versions of a collection, the newest first. */
import { Button, UnstyledButton } from "@mantine/core";
import { short } from "../../format/numbers";
import { ago, exact } from "../../format/time";
import { useSearchState } from "../../state/search";
import { bytes } from "../run/parts";
import styles from "./Artifacts.module.css";
import type { CollectionPage, Version } from "./types";

interface Props {
  page: CollectionPage;
  chosen: Version;
  onChoose: (version: number) => void;
}

export function VersionList({ page, chosen, onChoose }: Props) {
  const [, setSearch] = useSearchState();
  const { versions, total } = page;
  return (
    <nav className={styles.versions} aria-label="Versions">
      <ol>
        {versions.map((version) => (
          <li key={version.id}>
            <UnstyledButton
              className={styles.version}
              aria-current={version.id === chosen.id ? "true" : undefined}
              onClick={() => onChoose(version.version)}
            >
              <span className={styles.line}>
                <strong>v{version.version}</strong>
                <Names version={version} />
                <time className={styles.when} title={exact(version.created_us)}>
                  {ago(version.created_us)}
                </time>
              </span>
              <span className={styles.small}>
                <span>{bytes(version.size)}</span>
                {version.score !== null && <span>score {short(version.score)}</span>}
                {version.run_name !== null && <span className="cut">by {version.run_name}</span>}
                {version.leaving !== null && <span className={styles.warn}>goes with the next clean-up</span>}
              </span>
            </UnstyledButton>
          </li>
        ))}
      </ol>
      {versions.length < total && (
        <p className={styles.more}>
          {versions.length} of {total.toLocaleString("en")} versions{" "}
          {versions.length < 1000 && (
            <Button size="compact-xs" variant="default" onClick={() => setSearch({ most: "1000" })}>
              More
            </Button>
          )}
        </p>
      )}
    </nav>
  );
}

/** Stage, aliases and tags of a version. */
export function Names({ version }: { version: Version }) {
  return (
    <>
      {version.stage !== null && <span className={styles.stage}>{version.stage}</span>}
      {version.aliases
        .filter((alias) => alias !== version.stage)
        .map((alias) => (
          <span key={alias} className={styles.alias}>
            {alias}
          </span>
        ))}
      {version.tags.map((tag) => (
        <span key={tag} className={styles.tag}>
          {tag}
        </span>
      ))}
    </>
  );
}
