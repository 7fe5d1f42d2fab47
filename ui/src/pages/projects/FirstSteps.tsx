/** An empty store teaches the three lines that fill it. */
import { Button } from "@mantine/core";
import { useClipboard } from "@mantine/hooks";
import { Icon } from "../../shell/Icons";
import styles from "./FirstSteps.module.css";

const LINES = (project: string) => `import treering

run = treering.init(project=${JSON.stringify(project)}, config={"lr": 0.01})
for step in range(100):
    run.log({"loss": 1 / (step + 1)})`;

export function FirstSteps({ project = "my-project" }: { project?: string }) {
  const { copy, copied } = useClipboard();
  return (
    <section className={styles.steps} aria-label="How to begin">
      <h1 className={styles.title}>No runs yet</h1>
      <p className={styles.text}>
        Paste this into a Python file or a notebook and start it. The run appears here by itself.
      </p>
      <div className={styles.code}>
        <pre tabIndex={0}>{LINES(project)}</pre>
        <Button
          size="compact-xs"
          variant="default"
          className={styles.copy}
          leftSection={<Icon name={copied ? "check" : "copy"} size={13} />}
          onClick={() => copy(LINES(project))}
        >
          {copied ? "Copied" : "Copy"}
        </Button>
      </div>
      <p className={styles.text}>
        Training with Lightning, Keras, Transformers, SB3, Accelerate or Ray? One callback records everything:{" "}
        <code>from treering.callbacks.lightning import TreeringLogger</code>.
      </p>
    </section>
  );
}
