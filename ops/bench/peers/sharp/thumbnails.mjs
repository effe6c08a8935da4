// The obvious loop: three sizes, each from the file. Usage: node thumbnails.mjs FOLDER FILE…
// Prints the seconds it took as JSON, without the start of Node and one picture to warm up.
import path from "node:path";
import sharp from "sharp";

sharp.cache(false);
sharp.concurrency(1);

const sizes = { primary: [1280, 720], medium: [640, 360], small: [320, 180] };
const [folder, ...files] = process.argv.slice(2);

async function thumbnails(file) {
  for (const [name, [width, height]] of Object.entries(sizes)) {
    await sharp(file)
      .resize(width, height, { fit: "cover" })
      .jpeg({ quality: 85 })
      .toFile(path.join(folder, `${name}.jpg`));
  }
}

await thumbnails(files[0]);
const [start, before] = [performance.now(), process.cpuUsage()];
for (const file of files) await thumbnails(file);
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ wall: (performance.now() - start) / 1e3, cpu: (user + system) / 1e6 }));
