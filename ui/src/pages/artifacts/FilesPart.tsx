/** The files of a version as a tree, each to be saved. */
import { Anchor, TextInput, UnstyledButton } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { address, get } from "../../api/client";
import { Icon } from "../../shell/Icons";
import { Trouble } from "../../shell/Trouble";
import { bytes } from "../run/parts";
import type { PartProps } from "./ArtifactPage";
import styles from "./Artifacts.module.css";
import { type FileLine, fileLines, openAtFirst } from "./files";
import type { FileRow } from "./types";

export function FilesPart({ version }: PartProps) {
  const { data, error } = useQuery({
    queryKey: ["version-files", version.id],
    queryFn: ({ signal }) => get<FileRow[]>(`/artifacts/${encodeURIComponent(version.id)}/files`, {}, signal),
  });
  if (error && !data) return <Trouble error={error} />;
  return data ? <Tree key={version.id} id={version.id} files={data} /> : null;
}

const MOST = 1000;
const MANY = 12;

function Tree({ id, files }: { id: string; files: readonly FileRow[] }) {
  const [open, setOpen] = useState<ReadonlySet<string>>(() => openAtFirst(files));
  const [search, setSearch] = useState("");
  const lines = useMemo(() => fileLines(files, open, search), [files, open, search]);
  const fold = (path: string) => {
    const after = new Set(open);
    if (!after.delete(path)) after.add(path);
    setOpen(after);
  };
  return (
    <>
      {files.length > MANY && (
        <TextInput
          size="xs"
          className={styles.find ?? ""}
          aria-label="Find files"
          placeholder="Find a file"
          leftSection={<Icon name="search" size={12} />}
          value={search}
          onChange={(event) => setSearch(event.currentTarget.value)}
        />
      )}
      <ul className={styles.files} aria-label="Files">
        {lines.slice(0, MOST).map((line) => (
          <li key={line.path} style={{ paddingLeft: 16 * Math.min(line.depth, 12) }}>
            {line.file === null ? (
              <Folder line={line} open={open.has(line.path)} onFold={fold} />
            ) : (
              <File id={id} line={line} file={line.file} />
            )}
            <span className={styles.size}>{line.size < 0 ? "" : bytes(line.size)}</span>
          </li>
        ))}
      </ul>
      {lines.length > MOST && <p className={styles.blank}>{lines.length - MOST} more: search to see them</p>}
      {!lines.length && <p className={styles.blank}>No file is called that.</p>}
    </>
  );
}

function Folder({ line, open, onFold }: { line: FileLine; open: boolean; onFold: (path: string) => void }) {
  return (
    <UnstyledButton className={styles.folder} aria-expanded={open} onClick={() => onFold(line.path)}>
      <Icon name={open ? "chevronDown" : "chevronRight"} size={13} />
      {line.name}/ <span className={styles.dim}>{line.files}</span>
    </UnstyledButton>
  );
}

function File({ id, line, file }: { id: string; line: FileLine; file: FileRow }) {
  if (file.uri !== null) {
    return (
      <span className={styles.file}>
        {line.name} <span className={styles.dim}>is at {file.uri}</span>
      </span>
    );
  }
  return (
    <Anchor
      size="sm"
      className={styles.file ?? ""}
      href={address(`/artifacts/${encodeURIComponent(id)}/file`, { path: file.path })}
      download={file.path.split("/").pop()}
      title={`BLAKE3 ${file.digest}`}
    >
      <Icon name="download" size={12} /> {line.name}
    </Anchor>
  );
}
