/** How to have trials run: what to type, here and on other machines. */
import { Copy } from "../run/parts";
import { type AgentWish, agentCommand, originForAgents } from "./parts";
import styles from "./SweepPage.module.css";

export function Commands(wish: AgentWish) {
  const origin = originForAgents();
  const command = agentCommand(wish, origin);
  // A key is copied, and not shown to those who look over a shoulder.
  const shown = wish.apiKey ? agentCommand({ ...wish, apiKey: "****" }, origin) : command;
  return (
    <div className={styles.commands}>
      <Line told="An agent runs trials, one after the other. Start as many as you like, here or on other machines:">
        {shown}
        <Copy text={command} label="Copy the command" />
      </Line>
      <Line told="Or in Python, where a function is a trial:">
        {`treering.agent(${JSON.stringify(wish.id)}, train${wish.count ? `, count=${wish.count}` : ""})`}
        <Copy
          text={`import treering\n\ntreering.agent(${JSON.stringify(wish.id)}, train${wish.count ? `, count=${wish.count}` : ""})\n`}
          label="Copy the lines"
        />
      </Line>
    </div>
  );
}

function Line({ told, children }: { told: string; children: React.ReactNode }) {
  return (
    <>
      <p className={styles.means}>{told}</p>
      <pre className={styles.command} tabIndex={0}>
        {children}
      </pre>
    </>
  );
}
