"""A day of a series with the Python client: python ops/docs/whole_day.py FOLDER, which holds pictures and clips."""

import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from standardwebhooks import Webhook

from ops.client.blocking import Episodes
from ops.client.errors import Conflict

url, token, folder = os.environ["EPISODES_URL"], os.environ["EPISODES_TOKEN"], Path(sys.argv[1])
secret, told = "", threading.Event()


class Receiver(BaseHTTPRequestHandler):
    """Is told when a job has ended."""

    def do_POST(self) -> None:
        event = Webhook(secret).verify(self.rfile.read(int(self.headers["Content-Length"])), dict(self.headers.items()))
        self.send_response(204)
        self.end_headers()
        print("webhook:", event["type"])
        told.set()


receiver = HTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=receiver.serve_forever, daemon=True).start()
with Episodes(url, token) as ana, Episodes(url, token) as ben:
    show = ana.create("shows", {"name": f"Whole day of {folder.name}"})
    days = [{"show_id": show["show_id"], "title": f"Day {day}", "episode_number": day} for day in (1, 2, 3)]
    episodes = [ana.create("episodes", fields)["episode_id"] for fields in days]
    hook = {"url": f"http://127.0.0.1:{receiver.server_port}", "events": ["job.succeeded"]}
    secret = ana.create("webhooks", hook | {"filter": {"show_id": show["show_id"]}})["secret"]
    jobs = []
    for file in sorted(folder.glob("*.mp4")):
        clip = ana.create("clips", {"title": file.stem, "episode_id": episodes[0]}, key=f"{folder}/{file.name}")
        jobs.append(ana.ingest(file, "clip", clip["clip_id"]))
    for place, file in enumerate(sorted(folder.glob("*.jpg"))):
        look = ana.create("outfits", {"name": f"{folder.name} {file.stem}"}, key=f"{folder}/{file.name}")
        jobs.append(ana.ingest(file, "outfit", look["outfit_id"]))
        ana.link(episodes[place % 3], "outfits", look["outfit_id"], position=place, worn_by="Lala")
    ana.create(f"episodes/{episodes[0]}/scripts", {"content": "INT. STUDIO\nLala opens the wardrobe."})
    print("files:", [ana.wait(job, within=120).status for job in jobs].count("succeeded"))
    mine, theirs = (one.read("episodes", episodes[1]) for one in (ana, ben))
    ben.change("episodes", theirs, {"category": "outerwear"})
    try:
        ana.change("episodes", mine, {"title": "Coats"})
    except Conflict as conflict:
        ana.change("episodes", conflict.theirs, {"title": conflict.mine["title"]})
    print("both kept:", [ana.read("episodes", episodes[1])[name] for name in ("title", "category")])
    print("found:", len(list(ana.search(f'"{folder.name}"', type="outfit"))))
    print("back:", ana.download("outfits", look["outfit_id"], folder.parent).name)
    told.wait(30)
receiver.shutdown()
