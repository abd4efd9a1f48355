// Two worker threads, buffers outside the heap, and many small objects.
const { Worker, isMainThread, parentPort, workerData } = require("node:worker_threads");
const zlib = require("node:zlib");

if (isMainThread) {
  const sums = [];
  for (const seed of [1, 2]) {
    new Worker(__filename, { workerData: seed }).on("message", (sum) => {
      sums.push(sum);
      if (sums.length === 2) console.log(sums.sort((a, b) => a - b).join(" "));
    });
  }
} else {
  let sum = 0;
  for (let round = 0; round < 50; round++) {
    const buffer = Buffer.alloc(1 << 18, workerData + round);
    sum += zlib.inflateSync(zlib.deflateSync(buffer))[17];
    sum += Array.from({ length: 10000 }, (_, index) => ({ index })).length;
  }
  parentPort.postMessage(sum);
}
