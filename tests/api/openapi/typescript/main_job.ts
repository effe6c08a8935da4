// What a stranger writes against the generated types: a picture is announced, sent and ingested, and what came of it is read.
import createClient from "openapi-fetch";
import type { components, paths } from "./api.js";

type Job = components["schemas"]["Job"];
type NewJob = components["schemas"]["NewJob"];

const client = createClient<paths>({ baseUrl: process.env.EPISODES_URL ?? "http://127.0.0.1:3000" });
const headers = { Authorization: `Bearer ${process.env.EPISODES_TOKEN}` };

function given<T>(answer: { data?: { data: T }; error?: components["schemas"]["ErrorBody"] }): T {
  if (answer.data === undefined) throw new Error(answer.error?.errors.map((entry) => entry.message).join("; "));
  return answer.data.data;
}

export async function ingest(picture: Blob): Promise<Job["outcome"]> {
  const clip = given(await client.POST("/api/v1/clips", { headers, body: { title: "Walk at the pier", tags: ["pier"] } }));
  const announced = { file_name: "look.jpg", file_type: "image/jpeg", file_size: picture.size };
  const upload = given(
    await client.POST("/api/v1/upload/generate-url", { headers, body: { ...announced, entity_type: "clip" } }),
  );
  await fetch(upload.uploadUrl, { method: upload.method, body: picture, headers: upload.headers });
  const job: NewJob = { entity_type: "clip", entity_id: clip.clip_id, source_reference: upload.fileReference };
  const batch = given(await client.POST("/api/v1/ingest/batch", { headers, body: { jobs: [job] } }));
  const job_id = batch.results[0]?.job?.job_id ?? "";
  const path = { params: { path: { job_id } } };
  let now = given(await client.GET("/api/v1/ingest/{job_id}", { headers, ...path }));
  while (now.status === "queued" || now.status === "running") {
    await new Promise((resolve) => setTimeout(resolve, 200));
    now = given(await client.GET("/api/v1/ingest/{job_id}", { headers, ...path }));
  }
  return now.outcome;
}

const picture = process.env.PICTURE;
if (picture !== undefined) {
  ingest(new Blob([Uint8Array.from(Buffer.from(picture, "base64"))], { type: "image/jpeg" })).then(console.log);
}
