/** All collections of a project: what there is, how much room it takes, and what changed last. */
import { Select, TextInput } from "@mantine/core";
import { Link, useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { ago, exact } from "../../format/time";
import { Icon } from "../../shell/Icons";
import { nameOf, segment } from "../../shell/links";
import { Trouble } from "../../shell/Trouble";
import { useSearchState } from "../../state/search";
import { bytes, Empty } from "../run/parts";
import styles from "./Artifacts.module.css";
import { Leaving } from "./Leaving";
import type { Collection } from "./types";
import { useArtifactNews, useCollections } from "./useArtifacts";

export function ArtifactsPage() {
  const params = useParams({ strict: false });
  const project = nameOf(params.project ?? "");
  const { data, error } = useCollections(project);
  useArtifactNews(project);
  useEffect(() => {
    document.title = `Artifacts · ${project} · treering`;
  }, [project]);
  if (error && !data) return <Trouble error={error} />;
  if (!data) return null;
  if (!data.length) return <FirstArtifact />;
  return <Page project={project} all={data} />;
}

function FirstArtifact() {
  return (
    <Empty title="No artifacts yet">
      <p>Checkpoints, data and results become versions under a name; what they share is stored once:</p>
      <pre>
        {'run.log_artifact("model.pt", name="model", type="model", aliases=["best"])\nrun.use_artifact("model:best")'}
      </pre>
      <p>Callbacks keep checkpoints by themselves.</p>
    </Empty>
  );
}

function Page({ project, all }: { project: string; all: readonly Collection[] }) {
  const [search, setSearch] = useSearchState();
  const types = [...new Set(all.map((one) => one.type))].sort();
  const words = (search.find ?? "").toLowerCase();
  const found = all.filter(
    (one) =>
      (!search.type || one.type === search.type) &&
      (one.name.toLowerCase().includes(words) || one.aliases.some(({ alias }) => alias.toLowerCase().includes(words))),
  );
  const [size, stored] = [sum(all, "size"), sum(all, "stored")];
  return (
    <div className={styles.page}>
      <header className={styles.top}>
        <h1 className={styles.title}>Artifacts</h1>
        <span className={styles.dim}>
          {sum(all, "versions").toLocaleString("en")} versions hold {bytes(size)}
          {stored < size && `, stored in ${bytes(stored)}`}
        </span>
      </header>
      <div className={styles.bar}>
        <TextInput
          size="xs"
          className={styles.find ?? ""}
          aria-label="Find artifacts"
          placeholder="Find a name or an alias"
          leftSection={<Icon name="search" size={12} />}
          value={search.find ?? ""}
          onChange={(event) => setSearch({ find: event.currentTarget.value || undefined })}
        />
        {types.length > 1 && (
          <Select
            aria-label="Type"
            placeholder="All types"
            clearable
            data={types}
            value={search.type ?? null}
            onChange={(type) => setSearch({ type: type ?? undefined })}
          />
        )}
      </div>
      <section className={styles.scroll} tabIndex={0} aria-label="Collections">
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Type</th>
              <th scope="col">Versions</th>
              <th scope="col">Aliases</th>
              <th scope="col" className={styles.right}>
                Size
              </th>
              <th scope="col" className={styles.right}>
                Stored
              </th>
              <th scope="col">Last change</th>
            </tr>
          </thead>
          <tbody>
            {found.map((one) => (
              <Row key={one.name} one={one} />
            ))}
          </tbody>
        </table>
        {!found.length && <p className={styles.blank}>No artifact is called that.</p>}
      </section>
      <Leaving query={{ project }} />
    </div>
  );
}

const sum = (all: readonly Collection[], key: "size" | "stored" | "versions") =>
  all.reduce((total, one) => total + one[key], 0);

const MOST_ALIASES = 6;

function Row({ one }: { one: Collection }) {
  const { project, name, type, versions, latest, size, stored, changed_us, aliases } = one;
  const to = { project: segment(project), artifact: segment(name) };
  const shown = aliases.filter(({ alias }) => alias !== "latest");
  return (
    <tr>
      <th scope="row" className={styles.first}>
        <Link to="/$project/artifacts/$artifact" params={to} className={styles.name}>
          {name}
        </Link>
      </th>
      <td>{type}</td>
      <td className={styles.number}>
        {versions.toLocaleString("en")} <span className={styles.dim}>up to v{latest}</span>
      </td>
      <td className={styles.aliases}>
        {shown.slice(0, MOST_ALIASES).map(({ alias, version }) => (
          <Link
            key={alias}
            to="/$project/artifacts/$artifact"
            params={to}
            search={{ version: String(version) } as never}
            className={styles.alias}
            title={`${alias} is v${version}`}
          >
            {alias}
          </Link>
        ))}
        {shown.length > MOST_ALIASES && <span className={styles.dim}>+{shown.length - MOST_ALIASES}</span>}
      </td>
      <td className={styles.right}>{bytes(size)}</td>
      <td className={styles.right}>
        {bytes(stored)} {stored < size && <span className={styles.dim}>{Math.round((100 * stored) / size)} %</span>}
      </td>
      <td className={styles.number}>
        <time title={exact(changed_us)}>{ago(changed_us)}</time>
      </td>
    </tr>
  );
}
