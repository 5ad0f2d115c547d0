"""What comes out of the loudspeakers, sample by sample: the workbench in a browser plays, and whatever its player
hands to the sound card is kept and compared with the arithmetic in Python."""
import numpy as np, pytest, torch
from browsers import browser, needs_browser, says

pytestmark = needs_browser
RATE, LENGTH = 16000, 48000

# keeps what goes to the sound card, with the frame of the clock at which each block begins
TAP = """(() => {
  window.heard = [];
  const tap = `registerProcessor('tap', class extends AudioWorkletProcessor {
    constructor() { super(); this.at = -1; this.block = []; }
    process([[samples]]) {
      if (samples) {
        if (!this.block.length) this.at = currentFrame;
        this.block.push(...samples);
        if (this.block.length === 2048) { this.port.postMessage([this.at, this.block]); this.block = []; }
      }
      return true;
    }
  })`;
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...more) {
    if (to === this.context.destination)
      this.context.audioWorklet.addModule(URL.createObjectURL(new Blob([tap], { type: 'text/javascript' }))).then(() => {
        window.tap = new AudioWorkletNode(this.context, 'tap', { numberOfOutputs: 1 });
        window.tap.port.onmessage = (e) => window.heard.push(e.data);
        connect.call(this, window.tap);
        connect.call(window.tap, to);   // silent: what nothing hears is not computed
      });
    return connect.call(this, to, ...more);
  };
})()"""

def noise_scene():
    "Noise in the bands of speech and of hum, three seconds that nowhere resemble each other."
    from doubles import band_masks
    from weakse.core.spectrogram import istft, stft
    spec = stft(torch.randn(LENGTH, generator=torch.Generator().manual_seed(0)))
    speech,hum,_ = band_masks(spec.shape[-2])
    return .1*istft(spec*(speech + hum)[:, None], length=LENGTH)

@pytest.fixture(scope='module')
def host():
    from doubles import BandDetector, band_system
    from weakse.app.workbench import Workbench
    from widget_host import Host
    bench = Workbench(noise_scene(), RATE, band_system(), BandDetector())
    host = Host(bench)
    bench.wait(120)
    yield host
    host.close()
    bench.close()

@pytest.fixture
def page(browser, host):
    page = browser.new_page(viewport=dict(width=1400, height=1000))
    page.set_default_timeout(60_000)
    page.add_init_script(TAP)
    page.goto(host.url)
    says(page, 'Heard:')
    page.get_by_role('button', name='All to 0 dB').click()
    page.get_by_label('Same loudness').uncheck()
    page.get_by_role('button', name='Loop', exact=True).click()
    yield page
    page.close()

def truths(scene):
    "What each switch lets through when the hum is taken out."
    from doubles import band_masks
    from weakse.core.spectrogram import istft, stft
    spec = stft(scene)
    hum = istft(spec*band_masks(spec.shape[-2])[1][:, None], length=LENGTH)
    return {name: x.double().numpy() for name,x in dict(Before=scene, Removed=hum, Mix=scene - hum).items()}

def blocks_while(page, seconds):
    "`(place on the clock, samples)` of all blocks that are played meanwhile."
    page.evaluate("window.heard.length = 0")
    page.wait_for_function(f"window.heard.length > {seconds*RATE/2048}")
    return [(at, np.array(x)) for at,x in page.evaluate("window.heard")]

def place_of(block, truth):
    "At which sample of the looped truth a block begins, and what is left of it there, in dBFS."
    spec = np.conj(np.fft.rfft(block, LENGTH))*np.fft.rfft(truth)
    near = int(np.argmax(np.fft.irfft(spec, LENGTH)))     # of a low sound, the loudest product may be one beside it
    rests = {p: np.abs(block - np.roll(truth, -p)[:len(block)]).max() for p in range(near-2, near+3)}
    place = min(rests, key=rests.get)
    return place,20*np.log10(rests[place] + 1e-12)

def starts(blocks, truth):
    "Where the loop began on the clock according to each block, and the worst rest."
    found = [place_of(x, truth) for _,x in blocks]
    return {(at-place) % LENGTH for (at,_),(place,_) in zip(blocks, found)},max(rest for _,rest in found)

@pytest.mark.parametrize('place', [0, .31713])
def test_M7_all_at_0_dB_is_the_recording_to_the_sample(page, place):
    "Wherever it begins, and without a gap where the loop begins again, or where one switches."
    area = page.locator('.ws-area')
    box = area.bounding_box()
    page.mouse.click(box['x'] + place*box['width'], box['y'] + 40)
    area.focus()
    page.keyboard.press('Space')
    page.get_by_role('button', name='Pause', exact=True).wait_for()
    mixed = blocks_while(page, 4)[2:]
    page.get_by_role('button', name='Before', exact=True).click()
    both = mixed + blocks_while(page, 1)
    begun,rest = starts(both, truths(noise_scene())['Before'])
    assert len(begun)==1 and rest < -80, (begun, rest)

def test_H1_before_after_removed_are_at_the_same_sample(page):
    page.get_by_role('button', name='Hum, take out').click()
    page.locator('.ws-area').focus()
    page.keyboard.press('Space')
    page.get_by_role('button', name='Pause', exact=True).wait_for()
    found = {}
    for name,truth in truths(noise_scene()).items():
        page.get_by_role('button', name=name, exact=True).click()
        blocks_while(page, .3)          # the switch fades for 4 ms
        found[name] = starts(blocks_while(page, 1.2), truth)
    assert len(set.union(*(begun for begun,_ in found.values())))==1, found
    assert max(rest for _,rest in found.values()) < -80, found

def test_M1_a_move_is_heard_within_50_ms(page):
    page.locator('.ws-area').focus()
    page.keyboard.press('Space')
    page.get_by_role('button', name='Pause', exact=True).wait_for()
    truth = truths(noise_scene())['Before']
    begun, = starts(blocks_while(page, 1)[2:], truth)[0]            # before these it began
    before,after = page.evaluate("""() => { const fader = document.querySelector('[data-name=Hum] .ws-fader');
        const frame = () => Math.round(window.tap.context.currentTime * window.tap.context.sampleRate);
        window.heard.length = 0;
        const before = frame();
        fader.value = -24;
        fader.dispatchEvent(new Event('input'));
        return [before, frame()] }""")
    page.wait_for_function("window.heard.length > 4")
    blocks = [(at, np.array(x)) for at,x in page.evaluate("window.heard")]
    changed = [at + np.flatnonzero(np.abs(x - np.roll(truth, begun - at)[:len(x)]) > 1e-3) for at,x in blocks]
    first = next(at[0] for at in changed if len(at))
    assert before - 128 <= first < after + .05*RATE, (before, first, after)
