"""The listening page in a browser: one sound plays, another takes over at the same position, keys work,
nothing is wider than a phone."""
import re
from pathlib import Path
import pandas as pd, pytest, torch
from browsers import faults, look

chromium = Path('/usr/bin/chromium')
playwright = pytest.importorskip(
    'playwright.sync_api', reason="playwright is not installed: pip install playwright")
expect = playwright.expect
pytestmark = pytest.mark.skipif(
    not chromium.exists(), reason=f"no browser at {chromium}: apt-get install chromium")
heard = ("[...document.querySelectorAll('#sounds audio')].filter(a => !a.paused && a.currentTime > "
         ".05).map(a => a.src.split('/').pop())")
current = "document.querySelector('.clip[aria-current]').href.split('/').pop()"

@pytest.fixture(scope='module')
def page_path(tmp_path_factory):
    "A page of one made-up scene and tiny untrained networks."
    from weakse.core.labels import Vocabulary
    from weakse.app.listening import listening_page
    from weakse.models.selective import SelectiveNet
    from weakse.corpora.scenes import balanced_scene, write_scene
    from weakse.evaluation.experiments import run_experiments
    from weakse.models.registry import save_system
    torch.set_num_threads(1)
    tmp,t = tmp_path_factory.mktemp('listen'),torch.arange(32000)/16000
    voice = .05*sum(torch.sin(2*torch.pi*k*110*t)/k for k in range(1, 20))*(torch.sin(2*torch.pi*2.5*t)>-.3)
    write_scene(
        balanced_scene(voice, torch.randn(32000) * torch.exp(-25 * (t % 0.45)), torch.randn(32000)), 'scene_000',
        tmp / 'scenes', 16000)
    row = dict(
        name='scene_000', transient='Knock', transient_seen=True, stationary='Rain', stationary_seen=False,
        voice='', text='Hello')
    pd.DataFrame([row]).to_csv(tmp/'scenes'/'scenes.csv', index=False)
    save_system(
        SelectiveNet(3, n_embed=8, width=1 / 32, depth=3).eval(), tmp / 'joint', sample_rate=16000,
        vocabulary=Vocabulary(['Speech', 'Knock', 'Rain']), bank=torch.randn(3, 8))
    run_experiments(
        tmp / 'scenes', None, tmp / 'joint', tmp / 'selective', tmp / 'a.json', snrs=(0.0, 5.0),
        extra_snrs=(5.0,), n_workers=1, progress=False)
    return Path(
        listening_page(
            tmp / 'a.json', tmp / 'selective', tmp / 'scenes', tmp / 'listen', n_workers=1, progress=False
        )['page']
    )

@pytest.fixture(scope='module')
def browser():
    with playwright.sync_playwright() as p:
        b = p.chromium.launch(executable_path=str(chromium), args=['--no-sandbox'])
        yield b
        b.close()

@pytest.fixture
def open_page(browser, page_path):
    "Open the page as a file, with no network; errors of its script fail the test."
    opened,errors = [],[]
    def _open(**kwargs):
        context = browser.new_context(offline=True, **kwargs)
        opened.append(context)
        page = context.new_page()
        page.on('pageerror', lambda e: errors.append(str(e)))
        page.on(
            'request', lambda r: errors.append(r.url) if not r.url.startswith(('file:', 'data:')) else None)
        page.goto(page_path.as_uri())
        return page
    yield _open
    for c in opened:
        c.close()
    assert errors == []

def to_the_middle(page):
    "Click there in the picture; what is heard is two seconds long."
    box = page.locator('#picture .ws-area').bounding_box()
    page.mouse.click(box['x']+box['width']/2, box['y']+20)

def test_one_sound_plays_and_another_takes_over(open_page, tmp_path):
    page = open_page(viewport=dict(width=1400, height=1000))
    page.locator('#experiment2 .clip:not(.true):visible').nth(4).click()
    page.wait_for_function(f"{heard}.join() === 'scene_000_5dB_joint_2_enhanced2.ogg'")
    page.wait_for_function("audio.currentTime > .5")
    before = page.evaluate("audio.currentTime")
    page.keyboard.press('ArrowRight')
    page.wait_for_function(f"{heard}.join() === 'scene_000_5dB_joint_3_extracted3.ogg'")   # alone
    at = page.evaluate("audio.currentTime")
    # it went on, or came round
    assert before-.05 <= at or at < .5
    assert page.inner_text('#name') == 'Extracted, condition 3' and 'Sample 1 · 5 dB' in page.inner_text(
        '#where'
    )
    page.screenshot(path=tmp_path/'playing.png')
    assert (tmp_path/'playing.png').stat().st_size > 20_000

def test_keys(open_page):
    page = open_page()
    page.keyboard.press(' ')
    page.wait_for_function(f"{heard}.length === 1")
    page.keyboard.press(' ')
    page.wait_for_function(f"{heard}.length === 0")
    page.keyboard.press('ArrowRight')
    assert page.evaluate(current) == 'scene_000_5dB_joint_1_extracted1.ogg'
    page.keyboard.press('n')
    assert page.evaluate(current) == 'scene_000_5dB_noisy_0_noisy.ogg'
    page.keyboard.press('n')
    assert page.evaluate(current) == 'scene_000_5dB_joint_1_extracted1.ogg'
    page.keyboard.press('ArrowDown')
    assert page.evaluate(current) == 'scene_000_5dB_oracle_mask_1_extracted1.ogg'
    assert page.evaluate("audio.volume") == 1
    page.keyboard.press('m')
    assert page.evaluate("audio.volume") == pytest.approx(
        float(page.get_attribute('.clip[aria-current]', 'data-volume')), abs=1e-3)
    page.keyboard.press('r')
    assert not page.evaluate("audio.loop")

def test_level_keeps_the_sample(open_page):
    page = open_page()
    page.keyboard.press('ArrowRight')
    page.click('.levels label:has-text("0 dB")')
    assert page.evaluate(current) == 'scene_000_0dB_joint_1_extracted1.ogg'
    page.keyboard.press('ArrowLeft')
    # after a click the keys belong to the page
    assert page.evaluate(current) == 'scene_000_0dB_noisy_0_noisy.ogg'
    page.click('.levels label:has-text("All")')
    assert page.locator('tbody:visible').count() == page.locator('tbody').count()

@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_phone(open_page, scheme):
    page = open_page(
        viewport=dict(width=360, height=740), is_mobile=True, has_touch=True, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.locator('#experiment2 .clip:not(.true):visible').first.tap()
    page.wait_for_function(f"{heard}.length === 1")
    ink, ground = (
        sum(map(int, page.evaluate(f"getComputedStyle(document.body).{k}.match(/\\d+/g).slice(0, 3)")))
        for k in ('color', 'backgroundColor'))
    assert (ink > ground) == (scheme == 'dark')

def test_S2_an_address_restores_sample_level_condition_and_time(open_page):
    page = open_page()
    page.click('.levels label:has-text("0 dB")')
    page.keyboard.press('ArrowRight')
    page.keyboard.press('ArrowRight')
    to_the_middle(page)
    expect(page).to_have_url(re.compile('@1.0$'))
    chosen,address = page.evaluate(current),page.url
    other = open_page()
    other.goto('about:blank')
    other.goto(address)
    other.wait_for_function("audio.readyState > 0 && Math.abs(audio.currentTime-1) < .05")
    assert other.evaluate(current)==chosen and '_0dB_' in chosen
    assert other.locator('[name=level][value="0"]').is_checked()

def test_S3_another_system_goes_on_where_it_was(open_page):
    page = open_page()
    page.keyboard.press('ArrowRight')
    to_the_middle(page)
    page.keyboard.press('Shift+ArrowDown')
    assert page.evaluate(current)=='scene_000_5dB_oracle_mask_1_extracted1.ogg'
    page.wait_for_function("Math.abs(audio.currentTime-1) < .05")

def test_S4_sound_for_judging_is_as_good_as_uncoded(tmp_path):
    import numpy as np
    from weakse.app.listening_sounds import write_group
    from weakse.core.audio import load_audio
    from weakse.corpora.recipe import read_recipe
    from weakse.corpora.rendering import Run, render_pair
    from weakse.corpora.voices import espeak_available
    pesq = pytest.importorskip('pesq').pesq
    if not espeak_available(): pytest.skip("no voices on this machine: pip install 'weakse[speech]'")
    sources = Path(__file__).parents[1]/'sources'
    run = Run(read_recipe(sources), sample_rate=16000, seconds=6.0, speech_share=.5, voices=64, seed=0, speech_source='espeak')
    clean = torch.as_tensor(render_pair(run, snrs=(5.,), index=2)[0]).float()
    write_group(tmp_path, dict(clean=clean), 16000)
    coded = load_audio(tmp_path/'clean.ogg', 16000)[0].numpy()
    reference = clean.numpy()
    n = min(len(reference), len(coded))
    assert pesq(16000, reference[:n], coded[:n], 'wb')>4.4
    shifts = np.correlate(coded[2000:n-2000], reference[2400:n-2400], 'valid')
    assert abs(int(np.argmax(shifts))-400)<=1                             # and comes in time

def test_S7_opens_from_a_folder_and_asks_nobody(open_page):
    page = open_page()                                                    # offline: any other address is an error
    asked = []
    page.on('request', lambda r: asked.append(r.url))
    page.reload()
    page.locator('#experiment2 .clip:not(.true):visible').first.click()
    expect(page.locator('body.playing')).to_have_count(1)
    assert asked and all(url.startswith(('file:', 'data:')) for url in asked)

def test_S6_filters_by_class_and_seen(open_page):
    page = open_page()
    rows = page.locator('#experiment2 tbody:visible tr:has(.clip):visible')
    before = rows.count()
    page.get_by_label('Only samples with this sound').select_option('Rain')
    assert rows.count()==before
    page.get_by_label('Heard in training').select_option('seen')        # the rain of this page is not
    assert rows.count()==0
    assert page.get_by_text('No sample has such a sound').is_visible()
    page.get_by_label('Only samples with this sound').select_option('Knock')
    assert rows.count()==before

def test_S6_on_a_phone_one_sample_is_open_and_eight_are_no_long_way(open_page):
    page = open_page(viewport=dict(width=390, height=800), is_mobile=True, has_touch=True)
    assert page.locator('tr.open').count()==1
    page.evaluate("""document.querySelectorAll('tbody tr:has(.clip):not(.open)').forEach(
        r => { for (let i = 0; i < 7; i++) r.after(r.cloneNode(true)) })""")
    assert page.locator('tbody:visible tr:has(th .opener):visible').count()>=5*8
    assert page.evaluate("document.documentElement.scrollHeight")<6000
    page.locator('.opener:visible').last.tap()
    assert page.locator('tr.open').count()==1
    assert page.locator('.opener:visible').last.get_attribute('aria-expanded')=='true'

def test_S1_blind_ratings_are_saved_with_seed_and_page(open_page, tmp_path):
    page = open_page()
    page.goto(f"{page.url.split('#')[0]}?seed=7")
    page.get_by_role('button', name='Blind test').click()
    assert page.get_by_text('Blind test: 1 of 1').is_visible()
    next_ = page.get_by_role('button', name='Finish')
    letters = [b.inner_text() for b in page.locator('.rated button').all()]
    assert letters==list('ABCDEFG')[:len(letters)] and len(letters)>=4
    for i,letter in enumerate(letters):
        assert next_.is_disabled()
        page.get_by_role('slider', name=f'Rating of {letter}').fill(str(10*i))
    assert next_.is_disabled()                                            # nothing was heard yet
    for letter in letters:
        page.get_by_role('button', name=f'Play {letter}').click()
        page.locator(f'[data-letter={letter}][data-heard]').wait_for()
    next_.click()
    with page.expect_download() as got:
        page.get_by_role('button', name='Save as csv').click()
    got.value.save_as(tmp_path/'one.csv')
    from weakse.app.ratings import rating_means, read_judgements
    table,_ = read_judgements([tmp_path/'one.csv'])
    assert set(table.seed)=={7} and 'Hidden reference' in set(table.condition) and len(table.page[0])==16
    assert len(rating_means(table))==len(letters)

def test_S1_abx_says_whether_a_difference_is_heard(open_page, tmp_path):
    page = open_page()
    page.goto(f"{page.url.split('#')[0]}?seed=7")
    page.get_by_role('button', name='ABX test').click()
    sheet = page.get_by_role('region', name='ABX test')
    sheet.get_by_label('One').select_option('Noisy')
    sheet.get_by_label('The other').select_option('Noisy')
    sheet.get_by_role('button', name='Begin').click()
    assert page.get_by_text('Choose two that differ').is_visible()
    sheet.get_by_label('The other').select_option('Hidden reference')
    sheet.get_by_label('Trials').select_option('8')
    sheet.get_by_role('button', name='Begin').click()
    for n in range(8):
        page.get_by_role('heading', name=f'ABX test: {n+1} of 8').wait_for()
        next_ = page.get_by_role('button', name='Finish' if n==7 else 'Next')
        page.get_by_role('button', name='X is A').click()
        assert next_.is_disabled()                                        # nothing was heard yet
        for letter in 'ABX':
            page.keyboard.press(letter.lower())                           # keys play, too
            page.locator(f'[data-letter={letter}][data-heard]').wait_for()
        next_.click()
    says = page.get_by_role('status').and_(page.get_by_text('Thank you')).inner_text()
    with page.expect_download() as got:
        page.get_by_role('button', name='Save as csv').click()
    got.value.save_as(tmp_path/'one.csv')
    from weakse.app.ratings import abx_results, read_judgements
    ratings,trials = read_judgements([tmp_path/'one.csv'])
    found = abx_results(trials)
    assert len(ratings)==0 and list(zip(found.first, found.second, found.n))==[('Hidden reference', 'Noisy', 8)]
    assert f'right {found.correct[0]} times of 8' in says

def test_S5_a_drag_loops_zoom_and_ticks(open_page):
    page = open_page(viewport=dict(width=1400, height=1000))
    area,ticks = page.locator('#picture .ws-area'),page.locator('#picture .ws-ticks span')
    assert page.locator('#picture .ws-hz span').last.inner_text()=='8 kHz'
    expect(ticks.last).to_have_text('2 s')
    whole = ticks.count()
    box = area.bounding_box()
    page.mouse.move(box['x']+.25*box['width'], box['y']+20)
    page.mouse.down()
    page.mouse.move(box['x']+.5*box['width'], box['y']+20, steps=4)
    page.mouse.up()
    loop = page.get_by_role('button', name='Loop', exact=True)
    expect(loop).to_have_attribute('aria-pressed', 'true')
    expect(page.locator('#picture .ws-region')).to_be_visible()
    page.keyboard.press(' ')
    places = set()
    for _ in range(20):                                               # 1.5 s of a loop of 0.5 s
        page.wait_for_timeout(75)
        places.add(float(area.get_attribute('aria-valuenow')))
    assert min(places)>=.45 and max(places)<=1.06 and len(places)>5, places
    page.keyboard.press('ArrowRight')                                 # another sound of the sample: the same stretch
    expect(loop).to_have_attribute('aria-pressed', 'true')
    page.keyboard.press('l')
    expect(page.locator('#picture .ws-region')).to_be_hidden()
    page.keyboard.press(' ')
    page.get_by_role('button', name='Zoom in').click()
    page.get_by_role('button', name='Zoom in').click()
    expect(page.locator('#picture img')).to_have_attribute('style', re.compile(r'width: 400%'))
    expect(ticks.first).not_to_have_text('0 s')
    page.get_by_role('button', name='Zoom out').click()
    page.get_by_role('button', name='Zoom out').click()
    expect(ticks).to_have_count(whole)
    page.keyboard.press('Tab')                                        # from the button to the picture
    expect(area).to_be_focused()
    at = float(area.get_attribute('aria-valuenow'))
    page.keyboard.press('ArrowLeft')
    expect(area).to_have_attribute('aria-valuenow', f'{max(0, at-1):.2f}')

@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('width', [320, 390, 1400])
def test_F1_axe_finds_nothing_on_the_page(open_page, width, scheme):
    page = open_page(viewport=dict(width=width, height=900), color_scheme=scheme)
    assert faults(page)==[]
    page.get_by_role('button', name='Blind test').click()
    assert faults(page)==[]
    page.get_by_role('button', name='Back to the page').or_(page.get_by_role('button', name='Stop the test')).click()
    page.get_by_role('button', name='ABX test').click()
    assert faults(page)==[]

# ---- Table 1 to listen to
@pytest.fixture(scope='module')
def pairs_path(tmp_path_factory):
    "A page of two pairs at two levels and two systems."
    from weakse.app.pairs_page import pairs_page
    from weakse.core.audio import save_audio
    from weakse.core.loudness import mix_at_snr
    tmp,t = tmp_path_factory.mktemp('pairs'),torch.arange(32000)/16000
    voice = .05*sum(torch.sin(2*torch.pi*k*110*t)/k for k in range(1, 20))*(torch.sin(2*torch.pi*2.5*t)>-.3)
    for i,snr in enumerate((2.5, 7.5)):
        noisy = mix_at_snr(voice, torch.randn(32000, generator=torch.Generator().manual_seed(i)), snr)
        made = {'pairs/clean': voice, 'pairs/noisy': noisy, 'out/noisy': noisy, 'out/wiener': .3*noisy+.7*voice}
        for folder,wav in made.items():
            save_audio(tmp/folder/f'pair_{i}.wav', wav, 16000)
    facts = dict(file=['pair_0.wav', 'pair_1.wav'], snr_db=[2.5, 7.5], noise=['Rain', 'Hum'])
    pd.DataFrame(facts).to_csv(tmp/'pairs'/'pairs.csv', index=False)
    made = pairs_page(tmp/'pairs', [tmp/'out'/'noisy', tmp/'out'/'wiener'], tmp/'listen', n_workers=1, progress=False)
    return Path(made['page'])

def test_table_1_is_heard_and_judged(open_page, pairs_path):
    page = open_page(viewport=dict(width=1400, height=1000))
    page.goto(pairs_path.as_uri())
    expect(page.locator('thead th')).to_have_text(['Sample', 'Noisy', 'Wiener'])
    assert page.locator('tbody tr:has(.clip):visible').count()==2         # both levels at first
    page.locator('.clip:not(.true)').first.click()
    expect(page.locator('#where')).to_have_text('Sample 1 · 2.5 dB · Table 1')
    page.keyboard.press('ArrowRight')
    expect(page.locator('#name')).to_have_text('Wiener')
    expect(page.locator('body.playing')).to_have_count(1)
    page.keyboard.press(' ')
    page.get_by_label('Only samples with this sound').select_option('Hum')
    expect(page.locator('tbody tr:has(.clip):visible')).to_have_count(1)
    assert faults(page)==[]
    page.get_by_role('button', name='Blind test').click()
    sheet = page.get_by_role('region', name='Blind test')
    expect(sheet.get_by_role('heading')).to_have_text('Blind test: 1 of 1')     # what is shown
    expect(sheet.locator('.rated button')).to_have_text(list('ABC'))            # two systems and the hidden reference
    look(page, 'table1_blind')
    sheet.get_by_role('button', name='Stop the test').click()
    look(page, 'table1')
    page.set_viewport_size(dict(width=390, height=800))
    assert page.evaluate("document.documentElement.scrollWidth")<=390
    look(page, 'table1_390')
