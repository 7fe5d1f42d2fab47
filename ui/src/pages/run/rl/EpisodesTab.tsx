/** Reinforcement learning: what each episode brought, and films of some. */
import { NumberInput, Select, Switch, useComputedColorScheme } from "@mantine/core";
import { useState } from "react";
import type { RunDetail } from "../../../api/types";
import { asNumber } from "../../../api/values";
import { look } from "../../../charts/palette";
import { short } from "../../../format/numbers";
import { Swatch } from "../../../shell/Swatch";
import { Trouble } from "../../../shell/Trouble";
import { useSearchState } from "../../../state/search";
import { Pixels } from "../media/Medium";
import { media } from "../media/values";
import { Panel } from "../parts";
import { EPISODE_RETURN } from "../tabs";
import { useOfRun } from "../useRun";
import { EpisodeChart } from "./EpisodeChart";
import styles from "./Episodes.module.css";
import { asFloats, type Episodes, type EpisodeVideo } from "./episodes";

const WINDOW = 100;

export function EpisodesTab({ run }: { run: RunDetail }) {
  const [search] = useSearchState();
  const keys = run.metrics.map((metric) => metric.key).filter((key) => EPISODE_RETURN.test(key));
  const key = keys.find((one) => one === search.key) ?? keys[0] ?? "episode/return";
  const window = Math.min(Math.max(Math.round(Number(search.window)) || WINDOW, 1), 100_000);
  const { data, error } = useOfRun<Episodes>(run.id, "episodes", { key, window });
  const [video, setVideo] = useState<number | null>(null);
  if (error && !data) return <Trouble error={error} />;
  if (!data) return null;
  const byEnv = data.returns.length > 1 && search.env !== "0";
  const shown = data.videos.length ? Math.min(video ?? data.videos.length - 1, data.videos.length - 1) : null;
  return (
    <div className={styles.page}>
      <Controls keys={keys} shown={key} episodes={data} />
      <Figures episodes={data} />
      <div className={data.videos.length ? styles.beside : styles.alone}>
        <Panel title="Returns" note={key}>
          <EpisodeChart episodes={data} what="return" byEnv={byEnv} height={330} video={shown} onVideo={setVideo} />
        </Panel>
        {shown !== null && <Videos run={run.id} videos={data.videos} at={shown} onChoose={setVideo} />}
      </div>
      <div className={data.success && data.points.length ? styles.pair : styles.alone}>
        {data.success && (
          <Panel title="Success rate" note={`of the last ${window}`}>
            <EpisodeChart episodes={data} what="success" byEnv={false} height={190} video={shown} onVideo={setVideo} />
          </Panel>
        )}
        {data.points.length && (
          <Panel title="Lengths" note="steps of each episode">
            <EpisodeChart episodes={data} what="length" byEnv={byEnv} height={190} video={shown} onVideo={setVideo} />
          </Panel>
        )}
      </div>
    </div>
  );
}

function Controls({ keys, shown, episodes }: { keys: readonly string[]; shown: string; episodes: Episodes }) {
  const [search, setSearch] = useSearchState();
  const several = episodes.returns.length > 1;
  const byEnv = several && search.env !== "0";
  const { window } = episodes;
  return (
    <div className={styles.bar}>
      {keys.length > 1 && (
        <Select
          aria-label="Which returns"
          data={[...keys]}
          value={shown}
          allowDeselect={false}
          onChange={(next) => setSearch({ key: next ?? undefined })}
        />
      )}
      <NumberInput
        size="xs"
        className={styles.window ?? ""}
        label="Mean of the last"
        min={1}
        max={100_000}
        value={window}
        onChange={(next) => setSearch({ window: Number(next) === WINDOW ? undefined : String(next) })}
      />
      {several && (
        <Switch
          size="xs"
          label="By environment"
          checked={byEnv}
          onChange={() => setSearch({ env: byEnv ? "0" : undefined })}
        />
      )}
      {byEnv && <Legend episodes={episodes} />}
    </div>
  );
}

function Legend({ episodes }: { episodes: Episodes }) {
  const dark = useComputedColorScheme("light") === "dark";
  return (
    <span className={styles.legend}>
      {episodes.returns.slice(1).map((one) => (
        <span key={one.env}>
          <Swatch look={look(one.env ?? 0, dark)} /> {one.env}
        </span>
      ))}
    </span>
  );
}

function Figures({ episodes }: { episodes: Episodes }) {
  const returns = asFloats(episodes.points.return).filter(Number.isFinite);
  const last = (values: Episodes["lengths"] | null | undefined) => asNumber(values?.values.at(-1));
  const mean = last(episodes.returns[0]);
  const length = last(episodes.lengths);
  const success = last(episodes.success);
  const facts: [string, string][] = [["Episodes", episodes.total.toLocaleString("en")]];
  if (mean !== undefined) facts.push([`Return, last ${Math.min(episodes.window, episodes.total)}`, short(mean, 5)]);
  if (returns.length)
    facts.push([
      "Best return",
      short(
        returns.reduce((a, b) => Math.max(a, b)),
        5,
      ),
    ]);
  if (success !== undefined) facts.push(["Success rate", `${short(100 * success, 3)} %`]);
  if (length !== undefined) facts.push(["Episode length", short(length, 4)]);
  return (
    <dl className={styles.figures}>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface VideosProps {
  run: string;
  videos: readonly EpisodeVideo[];
  at: number;
  onChoose: (at: number) => void;
}

function Videos({ run, videos, at, onChoose }: VideosProps) {
  const video = videos[at];
  const medium = media(video?.value)[0];
  if (!video || !medium) return null;
  const total = asNumber(video.total);
  const words = [
    `step ${short(asNumber(video.x) ?? 0, 9)}`,
    video.env !== null && `environment ${video.env}`,
    video.episode !== null && `episode ${video.episode}`,
    video.length !== null && `${video.length} steps`,
  ].filter((word) => typeof word === "string");
  return (
    <Panel
      title="Video"
      note={`${at + 1} of ${videos.length}`}
      actions={
        <Select
          aria-label="Which video"
          className={styles.choose ?? ""}
          allowDeselect={false}
          data={videos.map((one, index) => ({
            value: String(index),
            label: `step ${short(asNumber(one.x) ?? 0, 9)}`,
          }))}
          value={String(at)}
          onChange={(next) => onChoose(Number(next))}
        />
      }
    >
      <div className={styles.film}>
        <Pixels key={video.row} run={run} name={video.key} medium={medium} />
      </div>
      {total !== undefined && <p className={styles.return}>Return {short(total, 6)}</p>}
      <p className={styles.words}>{words.join(" · ")}</p>
    </Panel>
  );
}
