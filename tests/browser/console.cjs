// Walks through the console as an analyst does, in a real browser; prints one JSON line.
// Usage: node console.cjs URL PASSWORD FOLDER_FOR_SCREENSHOTS
const { chromium } = require('playwright-core');
const [url, password, folder] = process.argv.slice(2);

(async () => {
  const context = await chromium.launchPersistentContext(require('fs').mkdtempSync(require('os').tmpdir() + '/vonglau-browser-'), {
    executablePath: process.env.VONGLAU_TEST_BROWSER,
    headless: true,
    viewport: { width: 1280, height: 900 },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  const complaints = [];
  try {
    const page = await context.newPage();
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(url);
    await page.fill('#name', 'admin');
    await page.fill('#password', password);
    await page.click('form.login button');
    await page.waitForSelector('table tbody tr');
    const list = await page.innerText('main');
    await page.screenshot({ path: `${folder}/incidents.png`, fullPage: true });
    await page.click('table tbody tr:has-text("203.0.113.77") a');
    await page.waitForSelector('text=Failed password');
    const incident = await page.innerText('main');
    const vietnamese = await page.getAttribute('html', 'lang');
    await page.screenshot({ path: `${folder}/incident.png`, fullPage: true });
    await page.click('form[action$="/assign"] button');
    await page.waitForFunction(() => document.querySelector('main').innerText.includes('admin'));
    await page.selectOption('#to', 'triage');
    await page.click('form[action$="/transition"]:has(#to) button');
    await page.waitForFunction(() => !document.querySelector('#to option[value="triage"]'));
    await page.click('a[hreflang="en"]');
    await page.waitForSelector('html[lang="en"]', { state: 'attached' });
    const english = await page.getAttribute('html', 'lang');
    const after = await page.innerText('main');
    await page.goto(`${url}/ledger`);
    const ledger = await page.innerText('main');
    console.log(JSON.stringify({ list, incident, after, ledger, vietnamese, english, complaints }));
  } catch (error) {
    const [page] = context.pages().slice(-1);
    await page.screenshot({ path: `${folder}/failed.png` });
    throw new Error(`${error.message} at ${page.url()}: ${complaints.join('; ')}`);
  } finally {
    await context.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
