/** The code of two runs: which commits, how their programs differ, and what was not committed in each. */
import { useMemo } from "react";
import type { RunDetail } from "../../api/types";
import { sourcesOf } from "../run/code/CodeTab";
import { PatchView } from "../run/code/PatchView";
import { type Capture, quoted } from "../run/overview/reproduce";
import { Copy } from "../run/parts";
import styles from "./Compare.module.css";
import type { PartProps } from "./ComparePage";
import { changes, uncommitted } from "./code";
import { Pair, usePair } from "./Pair";

export function CodePart({ compared }: PartProps) {
  const [two] = usePair(compared);
  const [one, other] = [compared.runs[two.one], compared.runs[two.other]] as [RunDetail, RunDetail];
  const [first, second] = [compared.captures[two.one] ?? {}, compared.captures[two.other] ?? {}];
  return (
    <div className={styles.part}>
      <div className={styles.bar}>
        <Pair compared={compared} />
      </div>
      <div className={styles.code}>
        <Commits first={first} second={second} />
        <Sources first={first} second={second} />
        <Patches first={first} second={second} names={[one.name, other.name]} />
      </div>
    </div>
  );
}

interface Both {
  first: Capture;
  second: Capture;
}

function Commits({ first, second }: Both) {
  const [one, other] = [first.git?.commit, second.git?.commit];
  if (!one && !other) return <p className={styles.note}>Neither of them ran in a git repository.</p>;
  if (one === other) {
    return (
      <p className={styles.note}>
        Both ran at commit <code>{one?.slice(0, 12)}</code>
        {first.git?.branch && ` on ${first.git.branch}`}.
      </p>
    );
  }
  const command = one && other ? `git diff ${quoted(one)} ${quoted(other)}` : null;
  return (
    <p className={styles.note}>
      The first ran at <code>{one?.slice(0, 12) ?? "no commit"}</code>, the second at{" "}
      <code>{other?.slice(0, 12) ?? "no commit"}</code>.
      {command && (
        <>
          {" "}
          What lies between them: <code>{command}</code> <Copy text={command} label="Copy the command" />
        </>
      )}
    </p>
  );
}

function Sources({ first, second }: Both) {
  const found = useMemo(() => {
    const [one, other] = [sourcesOf(first), sourcesOf(second)];
    const count = Math.max(one.length, other.length);
    return Array.from({ length: count }, (_, at) => {
      const title = other[at]?.title ?? one[at]?.title ?? "";
      return { title, file: changes(title, one[at]?.text ?? "", other[at]?.text ?? "") };
    });
  }, [first, second]);
  if (!found.length) return <p className={styles.note}>The program of neither was kept.</p>;
  const differing = found.filter(({ file }) => file === null || file.lines.length > 0);
  if (!differing.length) return <p className={styles.note}>The program is the same, to the letter.</p>;
  return (
    <section aria-label="The program">
      <h2 className={styles.heading}>The program, from the first to the second</h2>
      {differing.map(({ title, file }) =>
        file ? (
          <PatchView key={title} file={file} first />
        ) : (
          <p key={title} className={styles.note}>
            {title}: the two have too little in common to be shown line by line.
          </p>
        ),
      )}
    </section>
  );
}

function Patches({ first, second, names }: Both & { names: [string, string] }) {
  const files = useMemo(() => uncommitted(first.git?.diff ?? "", second.git?.diff ?? ""), [first, second]);
  if (!files.length) return null;
  const same = files.filter((file) => file.where === "same").length;
  const words = { first: `only in ${names[0]}`, second: `only in ${names[1]}`, differs: "changed otherwise", same: "" };
  return (
    <section aria-label="What was not committed">
      <h2 className={styles.heading}>What was not committed</h2>
      {same > 0 && (
        <p className={styles.note}>
          {same} {same === 1 ? "file has" : "files have"} the same changes in both.
        </p>
      )}
      {files
        .filter((file) => file.where !== "same")
        .map(({ path, where, file }) => (
          <div key={path} className={styles.patch}>
            <p className={styles.where}>{words[where]}</p>
            <PatchView file={file} first />
          </div>
        ))}
    </section>
  );
}
