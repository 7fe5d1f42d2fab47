/** One collection: its versions on the left, the chosen one on the right. */
import { Select } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useParams } from "@tanstack/react-router";
import { lazy, useEffect } from "react";
import { nameOf } from "../../shell/links";
import { PartTabs } from "../../shell/PartTabs";
import { Trouble } from "../../shell/Trouble";
import { useSearchState } from "../../state/search";
import { About } from "./About";
import styles from "./Artifacts.module.css";
import { FilesPart } from "./FilesPart";
import type { CollectionPage, Version } from "./types";
import { useArtifactNews, useCollection } from "./useArtifacts";
import { VersionList } from "./VersionList";

export interface PartProps {
  page: CollectionPage;
  version: Version;
}

const PAGE = 200;

const PARTS: readonly { id: string; label: string; body: React.ComponentType<PartProps> }[] = [
  { id: "", label: "Files", body: FilesPart },
  {
    id: "changes",
    label: "Changes",
    body: lazy(async () => ({ default: (await import("./ChangesPart")).ChangesPart })),
  },
  {
    id: "lineage",
    label: "Lineage",
    body: lazy(async () => ({ default: (await import("./LineagePart")).LineagePart })),
  },
  {
    id: "retention",
    label: "Retention",
    body: lazy(async () => ({ default: (await import("./RetentionPart")).RetentionPart })),
  },
  {
    id: "history",
    label: "History",
    body: lazy(async () => ({ default: (await import("./HistoryPart")).HistoryPart })),
  },
];

export function ArtifactPage() {
  const params = useParams({ strict: false });
  const [project, name] = [nameOf(params.project ?? ""), nameOf(params.artifact ?? "")];
  const [search] = useSearchState();
  const limit = Math.min(Math.max(Number(search.most) || PAGE, PAGE), 1000);
  const { data, error } = useCollection(project, name, limit);
  useArtifactNews(project);
  useEffect(() => {
    document.title = `${name} · ${project} · treering`;
  }, [project, name]);
  if (error && !data) return <Trouble whole error={error} />;
  return data?.versions.length ? <Page key={`${project}/${name}`} page={data} /> : null;
}

/** The version that the address names by number or alias; the newest where it names none. */
function chosenOf(page: CollectionPage, asked: string | undefined): Version | undefined {
  const number = Number((asked ?? "").replace(/^v/, ""));
  return (
    page.versions.find((one) => asked && one.version === number) ??
    page.versions.find((one) => asked && one.aliases.includes(asked)) ??
    page.versions[0]
  );
}

function Page({ page }: { page: CollectionPage }) {
  const [search, setSearch] = useSearchState();
  const narrow = useMediaQuery("(max-width: 820px)", window.innerWidth <= 820, { getInitialValueInEffect: false });
  const version = chosenOf(page, search.version);
  if (!version) return null;
  const choose = (number: number) => setSearch({ version: String(number) });
  return (
    <div className={styles.one}>
      <h1 className={styles.heading}>
        {page.name} <span className={styles.dim}>{page.type}</span>
      </h1>
      <div className={styles.sides}>
        {narrow ? (
          <Select
            aria-label="Version"
            allowDeselect={false}
            data={page.versions.map((one) => ({
              value: String(one.version),
              label: [`v${one.version}`, ...one.aliases].join(" · "),
            }))}
            value={String(version.version)}
            onChange={(value) => value && choose(Number(value))}
          />
        ) : (
          <VersionList page={page} chosen={version} onChoose={choose} />
        )}
        <div className={styles.main}>
          <About page={page} version={version} />
          <Parts page={page} version={version} />
        </div>
      </div>
    </div>
  );
}

function Parts({ page, version }: PartProps) {
  const [search, setSearch] = useSearchState();
  const parts = PARTS.filter(({ id }) => id !== "history" || page.stages.length > 0);
  const now = parts.find((part) => part.id === search.part) ?? parts[0];
  const Body = now?.body ?? FilesPart;
  return (
    <PartTabs
      label="Parts of the version"
      parts={parts}
      now={now?.id ?? ""}
      onChange={(part) => setSearch({ part })}
      within
    >
      <Body page={page} version={version} />
    </PartTabs>
  );
}
