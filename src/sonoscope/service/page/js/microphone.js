// The microphone as blocks of samples, as it is: nothing of what makes calls sound better.

export class Microphone {
  /** Asks for the microphone; `heard(block)` gets Float32Array blocks at `sampleRate`. */
  static async open(heard) {
    if (!navigator.mediaDevices) {
      throw new Error("Browsers give the microphone to pages at https:// or localhost only – open this page there");
    }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
      });
    } catch (error) {
      const reasons = { NotAllowedError: "The microphone was not allowed – allow it in the browser’s address bar", NotFoundError: "There is no microphone – connect one" };
      throw new Error(reasons[error.name] ?? `The microphone cannot be opened: ${error.message}`);
    }
    const context = new AudioContext({ latencyHint: "interactive" });
    await context.audioWorklet.addModule(new URL("worklet.js", import.meta.url));
    await context.resume();
    const tap = new AudioWorkletNode(context, "tap", { numberOfOutputs: 0 });
    tap.port.onmessage = (event) => heard(event.data);
    context.createMediaStreamSource(stream).connect(tap);
    return new Microphone(stream, context, tap);
  }

  constructor(stream, context, tap) {
    Object.assign(this, { stream, context, tap, sampleRate: context.sampleRate });
    this.name = stream.getAudioTracks()[0]?.label || "microphone";
  }

  close() {
    this.tap.port.onmessage = null;
    for (const track of this.stream.getTracks()) track.stop();
    this.context.close();
  }
}
