/** How a version differs from another one: metadata, files, and each layer of files of tensors. */
import { Progress, SegmentedControl, Select, UnstyledButton } from "@mantine/core";
import { useState } from "react";
import { asNumber, asText } from "../../api/values";
import { short } from "../../format/numbers";
import { Icon } from "../../shell/Icons";
import { Trouble } from "../../shell/Trouble";
import { useSearchState } from "../../state/search";
import { leaves } from "../run/overview/tree";
import { bytes } from "../run/parts";
import type { PartProps } from "./ArtifactPage";
import styles from "./Artifacts.module.css";
import { byChange, widthOf } from "./tensors";
import type { Diff, FileChange, TensorChange, Version } from "./types";
import { useWorked } from "./useArtifacts";

export function ChangesPart({ page, version }: PartProps) {
  const [search, setSearch] = useSearchState();
  const others = page.versions.filter((one) => one.id !== version.id);
  const before =
    others.find((one) => String(one.version) === search.from) ??
    others.find((one) => one.version < version.version) ??
    others[0];
  if (!before) return <p className={styles.blank}>There is no other version to compare it with.</p>;
  return (
    <>
      <div className={styles.bar}>
        <span>From</span>
        <Select
          aria-label="Compare with"
          allowDeselect={false}
          data={others.map((one) => ({
            value: String(one.version),
            label: [`v${one.version}`, ...one.aliases].join(" · "),
          }))}
          value={String(before.version)}
          onChange={(value) => setSearch({ from: value ?? undefined })}
        />
        <span>to v{version.version}</span>
      </div>
      <MetadataChanges before={before} after={version} />
      <Files before={before} after={version} />
    </>
  );
}

interface Two {
  before: Version;
  after: Version;
}

function MetadataChanges({ before, after }: Two) {
  const [old, now] = [leaves(before.metadata), leaves(after.metadata)];
  const keys = [...new Set([...old.keys(), ...now.keys()])].filter(
    (key) => asText(old.get(key)) !== asText(now.get(key)),
  );
  return <Values title="Metadata" values={keys.map((name) => [name, asText(old.get(name)), asText(now.get(name))])} />;
}

function Values({ title, values }: { title: string; values: [string, string, string][] }) {
  if (!values.length) return null;
  return (
    <section aria-label={`Changes: ${title}`}>
      <h3 className={styles.h3}>{title}</h3>
      <dl className={styles.values}>
        {values.slice(0, 200).map(([name, old, now]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              {old || "–"} <span className={styles.dim}>→</span> {now || "–"}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Files({ before, after }: Two) {
  const { data, error } = useWorked<Diff>("/artifact-diff", { before: before.id, after: after.id });
  if (error && !data) return <Trouble error={error} />;
  if (!data || data.state === "working") return <Waiting data={data} />;
  if (data.state === "failed") return <p className={styles.error}>{data.trouble}</p>;
  return (
    <>
      <p className={styles.blank} role="status">
        {said(data)}
      </p>
      {data.files.map((file) => (
        <FileView key={file.path} file={file} open={data.files.length < 6} />
      ))}
      {data.files_left_out > 0 && <p className={styles.blank}>{data.files_left_out} more are not listed</p>}
    </>
  );
}

function said({ files, files_left_out, same }: Diff): string {
  const count = files.length + files_left_out;
  if (!count) return "All files are the same.";
  const rest = same ? `, ${same} ${same === 1 ? "is" : "are"} the same` : "";
  return `${count} ${count === 1 ? "file differs" : "files differ"}${rest}.`;
}

function Waiting({ data }: { data: Diff | undefined }) {
  const known = data !== undefined && data.total > 0;
  return (
    <div className={styles.working} role="status">
      {known ? `Comparing tensors: ${bytes(data.done)} of ${bytes(data.total)}` : "Comparing"}
      <Progress
        aria-label="Compared so far"
        value={known ? (100 * data.done) / data.total : 100}
        animated={!known}
        size="xs"
      />
    </div>
  );
}

const SIGNS = { added: "+", removed: "−", changed: "≠" };

function FileView({ file, open: first }: { file: FileChange; open: boolean }) {
  const [open, setOpen] = useState(first);
  const { path, change, size_before, size_after, tensors, values } = file;
  const inside = tensors !== null || values.length > 0 || file.unread !== "";
  const sizes = [size_before, size_after].filter((one) => one !== null).map(bytes);
  const head = (
    <>
      {inside && <Icon name={open ? "chevronDown" : "chevronRight"} size={13} />}
      <span className={styles.sign} data-change={change} role="img" aria-label={change}>
        {SIGNS[change]}
      </span>
      <span className={styles.path}>{path}</span>
      {tensors && (
        <span className={styles.dim}>
          {tensors.length + file.tensors_left_out} of {tensors.length + file.tensors_left_out + file.same} tensors
          differ
        </span>
      )}
      <span className={styles.size}>{[...new Set(sizes)].join(" → ")}</span>
    </>
  );
  return (
    <section className={styles.change} aria-label={path}>
      {inside ? (
        <UnstyledButton className={styles.changeHead} aria-expanded={open} onClick={() => setOpen(!open)}>
          {head}
        </UnstyledButton>
      ) : (
        <div className={styles.changeHead}>{head}</div>
      )}
      {inside && open && (
        <div className={styles.inside}>
          {file.unread && <p className={styles.warn}>Its tensors were not compared: {file.unread}</p>}
          <Values
            title="Beside the tensors"
            values={values.map((one) => [one.name, asText(one.before), asText(one.after)])}
          />
          {tensors && tensors.length > 0 && <Tensors tensors={tensors} leftOut={file.tensors_left_out} />}
        </div>
      )}
    </section>
  );
}

function Tensors({ tensors, leftOut }: { tensors: readonly TensorChange[]; leftOut: number }) {
  const [order, setOrder] = useState("place");
  const shown = order === "change" ? byChange(tensors) : tensors;
  return (
    <>
      <SegmentedControl
        size="xs"
        aria-label="Order of the tensors"
        value={order}
        onChange={setOrder}
        data={[
          { value: "place", label: "By name" },
          { value: "change", label: "Most changed first" },
        ]}
      />
      <section className={styles.scroll} tabIndex={0} aria-label="Tensors">
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Tensor</th>
              <th scope="col">Shape</th>
              <th scope="col">Change, of its norm</th>
              <th scope="col" className={styles.right}>
                Values changed
              </th>
              <th scope="col" className={styles.right}>
                Largest
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((tensor) => (
              <Tensor key={tensor.name} tensor={tensor} />
            ))}
          </tbody>
        </table>
      </section>
      {leftOut > 0 && <p className={styles.blank}>{leftOut} more, less changed, are not listed</p>}
    </>
  );
}

function Tensor({ tensor }: { tensor: TensorChange }) {
  const { name, change, kind, shape, not_finite } = tensor;
  const [relative, share, largest] = [asNumber(tensor.relative), asNumber(tensor.share), asNumber(tensor.largest)];
  return (
    <tr>
      <th scope="row" className={styles.tensor}>
        {name}
      </th>
      <td className={styles.number}>
        {shape.join(" × ") || "one number"} <span className={styles.dim}>{kind}</span>
      </td>
      {relative === undefined ? (
        <td colSpan={3}>{change}</td>
      ) : (
        <>
          <td className={styles.number}>
            <svg width={80} height={10} className={styles.bars} aria-hidden="true">
              <rect width={80} height={10} className={styles.track} />
              <rect width={80 * widthOf(relative)} height={10} className={styles.fill} />
            </svg>{" "}
            {!(relative === 0 && not_finite > 0) && percentText(relative)}
            {not_finite > 0 && <span className={styles.bad}> {not_finite.toLocaleString("en")} not finite</span>}
          </td>
          <td className={styles.right}>{percentText(share ?? 0)}</td>
          <td className={styles.right}>{short(largest ?? 0)}</td>
        </>
      )}
    </tr>
  );
}

function percentText(share: number): string {
  if (!Number.isFinite(share)) return "from nothing";
  return share >= 10 ? `${short(share, 3)} ×` : `${short(100 * share, 3)} %`;
}
