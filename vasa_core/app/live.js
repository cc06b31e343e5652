"use strict";
// The Live tab: microphone -> /ws/speak -> canvas and sound, in step. `element` is the tab's own HTML.
const RATE = 16000, FRAME = 0.04, HEADER = 12; // Hz; s; bytes: see docs/live.md
const MARGIN = 0.08, MOST_SLACK = 0.2; // s: frames wait so long to be played evenly; more is taken back
const QUIET = 0.01, MOST_WAITING = 50; // of full scale; pictures
const WORKLET = `registerProcessor("pieces", class extends AudioWorkletProcessor {
  constructor() { super(); this.piece = new Int16Array(320); this.filled = 0; }
  process([input]) {
    for (const sample of input[0] || []) {
      this.piece[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
      if (this.filled === this.piece.length) { this.port.postMessage(this.piece.slice().buffer); this.filled = 0; }
    }
    return true;
  }
});`;
const find = name => element.querySelector(`[data-live="${name}"]`);
const say = (text, wrong = false) => {
  find("status").textContent = text;
  find("status").classList.toggle("wrong", wrong);
};
const pen = find("picture").getContext("2d");
let talk = null;

class Talk {
  constructor() {
    this.sound = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    this.volume = this.sound.createGain();
    this.volume.connect(this.sound.destination);
    this.hush();
    this.pictures = []; // {number, heard, bitmap} in order, not yet shown
    this.sent = []; // [samples sent so far, when], the newest last
    this.samples = this.shown = this.stalls = this.skew = this.resting = 0;
    this.delay = null; // ms, from sending a frame's sound to showing the frame
    this.begin = null; // when frame 0 is due, by the clock of `sound`
    this.slack = [];
    this.over = false;
  }

  hush() { this.volume.gain.value = find("aloud").checked ? 1 : 0; }

  async open() {
    const photo = find("photo").files[0], face = element.querySelector("[name=live-face]:checked").value;
    if (face === "upload" && !photo) throw new Error("Choose a photo first.");
    if (!navigator.mediaDevices || !this.sound.audioWorklet)
      throw new Error("This browser gives the microphone only to pages over https, or of this computer itself.");
    const wanted = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };
    this.microphone = await navigator.mediaDevices.getUserMedia({ audio: wanted });
    if (this.over) return this.close();
    await this.sound.resume();
    const code = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
    await this.sound.audioWorklet.addModule(code);
    URL.revokeObjectURL(code);
    if (this.over) return this.close();
    const address = new URL("ws/speak", document.baseURI);
    address.protocol = address.protocol.replace("http", "ws");
    address.search = address.hash = "";
    this.socket = new WebSocket(address);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.socket.send(JSON.stringify({ portrait: face, microphone: true, ...settings() }));
      if (face === "upload") this.socket.send(photo);
    };
    this.socket.onmessage = ({ data }) => typeof data === "string" ? this.told(JSON.parse(data)) : this.take(data);
    this.socket.onclose = () => finish(this, "The connection has ended.");
  }

  told({ hello, error, ended }) {
    if (error) finish(this, error, true);
    else if (ended) finish(this, ended.why || "Ended.");
    else if (hello) {
      find("picture").width = hello.width;
      find("picture").height = hello.height;
      const heard = new AudioWorkletNode(this.sound, "pieces", { numberOfOutputs: 0, channelCount: 1 });
      this.sound.createMediaStreamSource(this.microphone).connect(heard);
      heard.port.onmessage = ({ data }) => this.send(data);
      say(["Talk: the face follows.", ...hello.warnings].join(" "));
      requestAnimationFrame(() => this.show());
    }
  }

  send(piece) {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    this.socket.send(piece);
    this.samples += piece.byteLength / 2;
    this.sent.push([this.samples, performance.now()]);
    if (this.sent.length > 1000) this.sent.shift();
  }

  due(number) { return this.begin + number * FRAME; }

  async take(packet) {
    const view = new DataView(packet), number = view.getUint32(0, true), heard = view.getUint32(4, true);
    const bytes = view.getUint16(10, true), samples = new Int16Array(packet.slice(HEADER, HEADER + bytes));
    const sound = this.sound.createBuffer(1, samples.length, RATE), wave = sound.getChannelData(0);
    let loudest = 0;
    for (let i = 0; i < samples.length; i++) loudest = Math.max(loudest, Math.abs(wave[i] = samples[i] / 32768));
    this.pace(number, loudest < QUIET || !find("aloud").checked);
    const player = new AudioBufferSourceNode(this.sound, { buffer: sound });
    player.connect(this.volume);
    player.start(this.due(number));
    const picture = { number, heard, at: this.due(number), bitmap: null };
    this.pictures.push(picture);
    picture.bitmap = await createImageBitmap(new Blob([new Uint8Array(packet, HEADER + bytes)], { type: "image/jpeg" }));
    while (this.pictures.length > MOST_WAITING) this.pictures.shift().bitmap?.close(); // of a page that is hidden
  }

  pace(number, silent) { // Set when frames are due: later if this one is late, sooner again if all have been early.
    const now = this.sound.currentTime;
    if (this.begin === null || this.due(number) < now + 0.005) {
      this.stalls += this.begin !== null;
      this.begin = now + MARGIN - number * FRAME;
      this.slack = [];
    }
    this.slack.push(this.due(number) - now);
    if (this.slack.length < 50) return;
    if (silent && Math.min(...this.slack) > MOST_SLACK) this.begin -= FRAME;
    if (silent) this.slack = [];
    else this.slack.shift();
  }

  show() {
    if (this.over) return;
    const now = this.sound.currentTime - (find("aloud").checked ? this.sound.outputLatency || 0 : 0);
    let newest = null;
    while (this.pictures.length && this.pictures[0].bitmap && this.pictures[0].at <= now + FRAME / 4) {
      newest?.bitmap.close();
      newest = this.pictures.shift();
      this.shown++;
    }
    if (newest) {
      pen.drawImage(newest.bitmap, 0, 0);
      newest.bitmap.close();
      this.measure(newest, now);
    }
    requestAnimationFrame(() => this.show());
  }

  measure({ number, heard, at }, now) {
    while (this.sent.length && this.sent[0][0] < heard) this.sent.shift();
    if (this.sent.length && heard !== this.resting) this.delay = performance.now() - this.sent[0][1];
    this.resting = heard;
    this.skew += (Math.abs(1000 * (now - at)) - this.skew) / 10; // ms between picture and sound, lately
    Object.assign(element.dataset, {
      frames: this.shown, number, stalls: this.stalls, skew: this.skew.toFixed(0), delay: (this.delay ?? 0).toFixed(0),
    });
    if (number % 12 === 0 && this.delay !== null)
      find("numbers").value = `${this.delay.toFixed(0)} ms from mouth to screen, ${this.stalls} stalls`;
  }

  close() {
    this.over = true;
    for (const track of this.microphone?.getTracks() || []) track.stop();
    if (this.socket) {
      this.socket.onclose = this.socket.onmessage = null;
      this.socket.close();
    }
    for (const { bitmap } of this.pictures) bitmap?.close();
    this.pictures = [];
    if (this.sound.state !== "closed") this.sound.close();
  }
}

function settings() {
  const values = {};
  for (const control of element.querySelectorAll("[data-option]"))
    values[control.dataset.option] = isNaN(control.value) ? control.value : control.value ? +control.value : null;
  return values;
}

function finish(ended, why, wrong = false) {
  ended.close();
  if (talk !== ended) return;
  talk = null;
  find("start").disabled = false;
  find("stop").disabled = true;
  say(why, wrong);
}

find("start").onclick = async () => {
  if (talk) return;
  const mine = talk = new Talk();
  find("start").disabled = true;
  find("stop").disabled = false;
  say("Opening the microphone and reading the photo.");
  try {
    await mine.open();
  } catch (error) {
    const refused = error.name === "NotAllowedError" || error.name === "NotFoundError";
    finish(mine, refused ? "There is no microphone, or it is not allowed for this page." : error.message, true);
  }
};
find("stop").onclick = () => talk && finish(talk, "Stopped.");
find("aloud").onchange = () => talk?.hush();
function preview() { // The chosen face, until it moves.
  const chosen = element.querySelector("[name=live-face]:checked"), canvas = find("picture");
  const photo = chosen.value === "upload" ? find("photo").files[0] : null;
  if (talk || (chosen.value === "upload" && !photo)) return;
  const image = new Image();
  image.onload = () => {
    const side = Math.min(image.naturalWidth, image.naturalHeight);
    const left = (image.naturalWidth - side) / 2, top = (image.naturalHeight - side) / 2;
    if (!talk) pen.drawImage(image, left, top, side, side, 0, 0, canvas.width, canvas.height);
    if (photo) URL.revokeObjectURL(image.src);
  };
  image.src = photo ? URL.createObjectURL(photo) : chosen.nextElementSibling.src;
}

for (const choice of element.querySelectorAll("[name=live-face]")) choice.onchange = preview;
preview();
find("photo").onchange = () => { element.querySelector("[name=live-face][value=upload]").checked = true;
  preview();
};
for (const control of element.querySelectorAll("[data-option][type=range]"))
  control.oninput = () => { control.nextElementSibling.value = control.value; };
