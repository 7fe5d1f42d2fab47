/** What people say of a report, each with the answers to it; what is settled is folded away. */
import { Button, Textarea, TextInput, UnstyledButton } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { send } from "../../api/client";
import { ago, exact } from "../../format/time";
import { type Comment, myName, type Report, setMyName, useComments } from "./api";
import styles from "./Panels.module.css";

const place = (report: Report) => `/reports/${encodeURIComponent(report.id)}/comments`;

export function Comments({ report }: { report: Report }) {
  const { data, error } = useComments(report.id);
  const [showSettled, setShowSettled] = useState(false);
  const firsts = (data ?? []).filter((one) => one.reply_to === null);
  const open = firsts.filter((one) => one.resolved_us === null);
  const settled = firsts.filter((one) => one.resolved_us !== null);
  const answers = (to: string) => (data ?? []).filter((one) => one.reply_to === to);
  return (
    <section className={styles.panel}>
      <h2 className={styles.title}>Comments</h2>
      {error && <p className={styles.error}>{error.message}</p>}
      {data && !open.length && (
        <p className={styles.meta}>{settled.length ? "All settled." : "Nobody has said anything yet."}</p>
      )}
      <ul className={styles.threads}>
        {open.map((one) => (
          <Thread key={one.id} report={report} first={one} answers={answers(one.id)} />
        ))}
      </ul>
      <Say report={report} label="Say something" button="Comment" />
      {settled.length > 0 && (
        <>
          <UnstyledButton
            className={styles.fold}
            aria-expanded={showSettled}
            onClick={() => setShowSettled(!showSettled)}
          >
            {showSettled ? "Hide" : "Show"} {settled.length} settled
          </UnstyledButton>
          {showSettled && (
            <ul className={styles.threads}>
              {settled.map((one) => (
                <Thread key={one.id} report={report} first={one} answers={answers(one.id)} />
              ))}
            </ul>
          )}
        </>
      )}
    </section>
  );
}

function Thread({ report, first, answers }: { report: Report; first: Comment; answers: readonly Comment[] }) {
  const queries = useQueryClient();
  const [answering, setAnswering] = useState(false);
  const again = () => queries.invalidateQueries({ queryKey: ["report-comments", report.id] });
  const isSettled = first.resolved_us !== null;
  const settle = useMutation({
    mutationFn: () =>
      send("PATCH", `${place(report)}/${encodeURIComponent(first.id)}`, { resolved: !isSettled, author: myName() }),
    onSettled: again,
  });
  return (
    <li className={styles.thread} data-comment={first.id} data-settled={isSettled || undefined}>
      <Said report={report} comment={first} />
      {answers.map((one) => (
        <div key={one.id} className={styles.answer}>
          <Said report={report} comment={one} />
        </div>
      ))}
      {first.resolved_us !== null && (
        <p className={styles.meta}>
          settled {ago(first.resolved_us)}
          {first.resolved_by && ` by ${first.resolved_by}`}
        </p>
      )}
      {settle.error && <p className={styles.error}>{settle.error.message}</p>}
      <div className={styles.actions}>
        {!isSettled && (
          <UnstyledButton className={styles.action} aria-expanded={answering} onClick={() => setAnswering(!answering)}>
            Answer
          </UnstyledButton>
        )}
        <UnstyledButton className={styles.action} onClick={() => settle.mutate()}>
          {isSettled ? "Open again" : "Settle"}
        </UnstyledButton>
      </div>
      {answering && (
        <Say
          report={report}
          replyTo={first.id}
          label="Your answer"
          button="Answer"
          onDone={() => setAnswering(false)}
        />
      )}
    </li>
  );
}

function Said({ report, comment }: { report: Report; comment: Comment }) {
  const queries = useQueryClient();
  const remove = useMutation({
    mutationFn: () => send("DELETE", `${place(report)}/${encodeURIComponent(comment.id)}`),
    onSettled: () => queries.invalidateQueries({ queryKey: ["report-comments", report.id] }),
  });
  return (
    <div className={styles.said}>
      <div className={styles.who}>
        <strong className={styles.name}>{comment.author || "somebody"}</strong>
        <time className={styles.meta} title={exact(comment.time_us)}>
          {ago(comment.time_us)}
        </time>
        {comment.author === myName() && (
          <UnstyledButton className={styles.action} onClick={() => remove.mutate()}>
            Delete
          </UnstyledButton>
        )}
      </div>
      <p className={styles.text}>{comment.text}</p>
    </div>
  );
}

interface SayProps {
  report: Report;
  label: string;
  button: string;
  replyTo?: string;
  onDone?: () => void;
}

function Say({ report, label, button, replyTo, onDone }: SayProps) {
  const queries = useQueryClient();
  const [text, setText] = useState("");
  const [name, setName] = useState(myName);
  const [known] = useState(() => myName() !== "");
  const say = useMutation({
    mutationFn: () => {
      setMyName(name);
      return send("POST", place(report), { text, author: myName(), ...(replyTo ? { reply_to: replyTo } : {}) });
    },
    onSuccess: async () => {
      setText("");
      onDone?.();
      await queries.invalidateQueries({ queryKey: ["report-comments", report.id] });
    },
  });
  const submit = () => text.trim() && say.mutate();
  return (
    <form
      className={styles.form}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Textarea
        size="xs"
        label={label}
        autosize={false}
        rows={3}
        maxLength={20_000}
        value={text}
        error={say.error?.message}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit();
        }}
      />
      {!known && (
        <TextInput
          size="xs"
          label="Your name"
          placeholder="as others know you"
          maxLength={100}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
      )}
      <div>
        <Button type="submit" size="compact-sm" variant="default" disabled={!text.trim()} loading={say.isPending}>
          {button}
        </Button>
      </div>
    </form>
  );
}
