// Drives Chromium over a page of `diagnose` and holds what a reader would notice. Usage: drive.mjs many|one|none PAGE
//
// It speaks the DevTools protocol over pipes (--remote-debugging-pipe), which needs nothing but node. Pictures are left
// beside the page. What things took is printed, not judged.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [what, page] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'volact-page-'));
const browser = spawn('chromium', ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
  '--disable-background-networking', '--hide-scrollbars', `--user-data-dir=${profile}`, '--remote-debugging-pipe', 'about:blank'],
{ stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const [, , , pipe, answers] = browser.stdio;

const waiting = new Map();
const listeners = [];
let rest = '';
let last = 0;
answers.setEncoding('utf8');
answers.on('data', text => {
  const messages = (rest + text).split('\0');
  rest = messages.pop();
  for (const message of messages.map(JSON.parse)) {
    const { resolve, reject } = waiting.get(message.id) ?? {};
    if (message.error) reject(new Error(`${message.error.message} ${message.error.data ?? ''}`));
    else if (resolve) resolve(message.result);
    else listeners.forEach(listener => listener(message));
  }
});
const call = (method, params = {}, sessionId) => new Promise((resolve, reject) => {
  waiting.set(++last, { resolve, reject });
  pipe.write(JSON.stringify({ id: last, method, params, sessionId }) + '\0');
});
const limit = setTimeout(() => {
  console.error('the browser does not answer');
  browser.kill('SIGKILL');
  process.exit(1);
}, 120_000);

const { targetId } = await call('Target.createTarget', { url: 'about:blank' });
const { sessionId } = await call('Target.attachToTarget', { targetId, flatten: true });
const send = (method, params) => call(method, params, sessionId);
const event = name => new Promise(resolve => listeners.push(message => message.method === name && resolve(message.params)));

const evaluate = async expression => {
  const { result, exceptionDetails } = await send('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
  assert.equal(exceptionDetails, undefined, expression);
  return result.value;
};
const texts = selector => evaluate(`[...document.querySelectorAll(${JSON.stringify(selector)})].map(e => e.textContent)`);
const key = async (name, text) => {
  const code = { Tab: 9, Enter: 13 }[name];
  await send('Input.dispatchKeyEvent', { type: 'keyDown', key: name, code: name, windowsVirtualKeyCode: code, text });
  await send('Input.dispatchKeyEvent', { type: 'keyUp', key: name, code: name, windowsVirtualKeyCode: code });
};
// From the call until what it changes is on the screen.
const timed = (name, expression) => evaluate(`new Promise(resolve => { const begin = performance.now(); ${expression};
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begin))); })`)
  .then(took => console.log(`${name}: ${took.toFixed(0)} ms`));
const picture = async (name, whole = false) => {
  const { data } = await send('Page.captureScreenshot', { captureBeyondViewport: whole });
  writeFileSync(page.replace(/html$/, `${name}.png`), Buffer.from(data, 'base64'));
};
const scheme = value => send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });
const size = (width, height, mobile = false) =>
  send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile });

// Of every text on the page its contrast with what is behind it (WCAG 2.1, 1.4.3); the worst ones.
const contrasts = () => evaluate(`(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = numbers(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.closest('script, .away, :disabled, title, option')) continue;
    const style = getComputedStyle(element);
    const colour = element.closest('svg') ? style.fill : style.color;
    const [a, b] = [light(numbers(colour)), light(behind(element))].sort((a, b) => b - a);
    const contrast = (a + .05) / (b + .05);
    if (contrast < 4.5) found.push(element.tagName + '.' + element.className + ' ' + contrast.toFixed(2) + ' ' + element.textContent.slice(0, 30));
  }
  return found;
})()`);

const asked = [];
const complaints = [];
listeners.push(({ method, params }) => {
  if (method === 'Network.requestWillBeSent') asked.push(params.request.url);
  if (method === 'Runtime.exceptionThrown') complaints.push(params.exceptionDetails.exception?.description);
  if (method === 'Log.entryAdded') complaints.push(params.entry.text);
});
for (const domain of ['Page', 'Runtime', 'Network', 'Log']) await send(`${domain}.enable`);
await size(1280, 900);
await scheme('light');

const url = pathToFileURL(page).href;
const load = async (has_script = true) => {
  const loaded = event('Page.loadEventFired');
  const begin = performance.now();
  await send('Page.navigate', { url });
  await loaded;
  if (has_script) await evaluate('new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))');
  return performance.now() - begin;
};
console.log(`load until the table is drawn: ${(await load()).toFixed(0)} ms`);

const holds = {
  async many() {
    assert.equal(await evaluate('document.title'), 'volact: 8,064 of 10,000 activations succeeded');
    assert.deepEqual(await texts('.figures b'), ['6,203', '1,861', '1,781', '155']);
    assert.equal((await texts('#table tbody tr')).length, 100);
    assert.deepEqual(await texts('#shown'), ['10,000 stories']);
    await picture('light');
    await picture('whole', true);

    for (const [column, name] of ['Status', 'Machine', 'Product', 'Host', 'Cause', 'Tries', 'First seen', 'Service time'].entries()) {
      for (const direction of column === 0 ? ['descending', 'ascending'] : ['ascending', 'descending']) {
        await timed(`sort by ${name}, ${direction}`, `document.querySelectorAll('#table thead button')[${column}].click()`);
        assert.deepEqual(await evaluate(`[...document.querySelectorAll('#table [aria-sort]')].map(e => [e.cellIndex, e.ariaSort])`),
          [[column, direction]]);
        const values = await texts(`#table .row > :nth-child(${column + 1})`);
        if (name === 'Machine') assert.ok(values.includes(direction === 'ascending' ? 'desk-8.corp.example (10.20.0.8)' : 'desk-9999.corp.example (10.20.39.15)'));
        if (name === 'Tries') assert.equal(values[0], direction === 'ascending' ? '1' : '5');
        if (name === 'First seen') assert.deepEqual(values, direction === 'ascending' ? [...values].sort() : [...values].sort().reverse());
      }
    }
    await timed('filter by a text', `text.value = 'UNREACHABLE-not kms01 nobody'; text.dispatchEvent(new Event('input', { bubbles: true }))`);
    assert.deepEqual(await texts('#shown'), ['0 of 10,000 stories']);
    await timed('filter by another text', `text.value = 'KMS01 nobody answers'; text.dispatchEvent(new Event('input', { bubbles: true }))`);
    const [found] = await texts('#shown');
    assert.match(found, /^2\d\d of 10,000 stories$/);
    assert.ok((await texts('#table .row > :nth-child(5)')).every(cause => cause === "nobody answers at the host's address"));
    await evaluate(`controls.reset()`);
    await timed('filter by a status', `document.getElementById('status').value = '1'; document.getElementById('status').dispatchEvent(new Event('input', { bubbles: true }))`);
    assert.deepEqual(await texts('#shown'), ['155 of 10,000 stories']);
    await timed('the stories of a cause', `document.querySelector('.show').click()`);
    assert.match((await texts('#shown'))[0], /^7\d\d of 10,000 stories$/);

    // By keyboard: from the filters over the headings to the first machine.
    await evaluate(`cause.focus()`);
    const reach = async (selector, most) => {
      for (let count = 0; count < most; count++) {
        await key('Tab');
        if (await evaluate(`document.activeElement.matches(${JSON.stringify(selector)})`)) return;
      }
      assert.fail(`${selector} is not reached by Tab`);
    };
    await reach('#table thead button', 3);
    await reach('#table tbody button', 9);
    assert.equal(await evaluate(`document.activeElement.ariaExpanded`), 'false');
    await key('Enter', '\r');
    assert.equal(await evaluate(`document.activeElement.ariaExpanded`), 'true');
    assert.ok(await evaluate(`document.getElementById(document.activeElement.getAttribute('aria-controls')).checkVisibility()`));
    assert.match((await texts('.story h3'))[0], /Not activated: kms0\d\.corp\.example .* has counted 11 machines of the 25/);
    assert.match((await texts('.story .remedy'))[0], /Let more machines with CMIDs of their own ask this host/);
    assert.match((await texts('.story .cause li'))[0], /^frame \d+: CurrentClientCount 11$/);
    assert.equal((await texts('.story .chart li')).length, 7);
    await evaluate(`document.querySelector('.row.open').scrollIntoView({ block: 'center' })`);
    await picture('story');
    assert.deepEqual(await contrasts(), []);
    await scheme('dark');
    await picture('story-dark');
    assert.deepEqual(await contrasts(), []);
    await evaluate(`scrollTo(0, 0)`);
    await picture('dark');
    await size(400, 850, true);
    await picture('narrow');
      assert.deepEqual(await evaluate(`[...document.querySelectorAll('body *')].filter(e => !e.closest('.wide, .away, svg')
      && e.getBoundingClientRect().right > 400).map(e => e.outerHTML.slice(0, 80))`), [], 'wider than a narrow screen');
    await evaluate(`document.querySelector('.row.open').scrollIntoView()`);
    await picture('narrow-story');
    await size(1280, 900);
    await scheme('light');

    // A name that looks like markup is text.
    await evaluate(`controls.reset()`);
    await timed('filter by a name', `text.value = 'onerror'; text.dispatchEvent(new Event('input', { bubbles: true }))`);
    assert.match((await texts('#table .row th'))[0], /^<\/script><script>document.title='run'<\/script><img src=x/);
    await evaluate(`document.querySelector('#table .row').click()`);
    assert.equal((await texts('.story')).length, 1);
    assert.match(await evaluate('document.title'), /^volact/);
    assert.equal(await evaluate(`document.querySelectorAll('img').length`), 0);

    // What is printed is what is chosen, whole.
    await evaluate(`text.value = 'azkms'; text.dispatchEvent(new Event('input', { bubbles: true }))`);
    const chosen = parseInt((await texts('#shown'))[0]);
    await evaluate(`document.querySelector('#table .row').click(); addEventListener('beforeprint', () =>
      window.printed = document.querySelectorAll('#table .row').length)`);
    await print('chosen');
    assert.equal(await evaluate('window.printed'), chosen);
    assert.equal((await texts('#table .row')).length, 100);
    await evaluate(`controls.reset()`);
    await evaluate('new Promise(resolve => setTimeout(resolve))');
    await timed('all rows for paper', `dispatchEvent(new Event('beforeprint'))`);
    assert.equal(await evaluate('window.printed'), 10_000);
    await timed('a page of rows again', `dispatchEvent(new Event('afterprint'))`);
    assert.equal((await texts('#table .row')).length, 100);
  },

  async one() {
    assert.match((await texts('h1'))[0], /^Not activated: kms0\d/);
    assert.equal((await texts('.story')).length, 1);
    assert.equal((await texts('.story .cause')).length, 2);
    assert.equal((await texts('.story table tbody tr')).length, 2);
    assert.equal((await texts('figure')).length, 0);
    await picture('whole', true);
    await print('print');
  },

  async none() {
    assert.deepEqual(await texts('h1'), ['No activation was seen']);
    await picture('whole', true);
  },
};

async function print(name) {
  const { data } = await send('Page.printToPDF', { preferCSSPageSize: true });
  writeFileSync(page.replace(/html$/, `${name}.pdf`), Buffer.from(data, 'base64'));
}

try {
  await holds[what]();
  assert.deepEqual(complaints, []);
  assert.deepEqual([...new Set(asked)].filter(address => address !== 'data:,'), [url], 'it asked for more than itself');

  // Without a script the head, the charts and stories are there.
  await send('Emulation.setScriptExecutionDisabled', { value: true });
  await load(false);
  assert.ok(await evaluate(`document.getElementById('table')?.hidden ?? true`));
  await picture('plain', what !== 'many');
} finally {
  clearTimeout(limit);
  const gone = new Promise(resolve => browser.once('exit', resolve));
  await call('Browser.close').catch(() => browser.kill());
  await gone;
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
