use agent_inputs::*; use agent_pipeline::*; use std::sync::Arc; use std::time::Instant;
fn main() {
    for (name, path) in [("ssh_auth_real/auth.log", "/var/log/auth.log"), ("web/apache_access_10k.log", "/var/log/apache2/access.log")] {
        let text = std::fs::read(format!("/work/shared/data/{name}")).unwrap();
        let source = Arc::new(SourceMeta { key: "file:fe00:9a291a:0:333c4e7313693750".into(), path: Some(path.into()), format: Format::Auto, dataset: None });
        let p = Pipeline::new(AgentFacts { agent_id: [1; 16], agent_id_text: "01".repeat(16), host: "web01".into(), organization: None, timezone: timezone("Asia/Ho_Chi_Minh").unwrap() }, None);
        let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|l| !l.is_empty()).collect();
        let mut best = f64::MAX;
        for _ in 0..8 {
            let items: Vec<Item> = lines.iter().enumerate().map(|(n, l)| Item::Line(Line { source: source.clone(), offset: n as u64, cursor: None, bytes: l.to_vec(), truncated: false, read_at: "2026-11-21T08:30:00Z".parse().unwrap() })).collect();
            let start = Instant::now(); let mut f = 0;
            for item in items { f += p.process(item).event.fields().len(); }
            let ns = start.elapsed().as_nanos() as f64 / lines.len() as f64; best = best.min(ns);
            if f == 0 { println!("x"); }
        }
        println!("{name}: {} lines, {best:.0} ns/line", lines.len());
    }
    // tail speed
    let dir = std::env::temp_dir().join("a1speed"); std::fs::create_dir_all(&dir).unwrap(); let f = dir.join("x.log");
    let base = std::fs::read("/work/shared/data/ssh_auth_real/auth.log").unwrap(); let mut all = Vec::new(); for _ in 0..100 { all.extend_from_slice(&base); } std::fs::write(&f, &all).unwrap();
    struct R; impl Report for R { fn problem(&self, s: &str, t: String) { eprintln!("{s} {t}"); } fn resolved(&self, _: &str) {} fn count(&self, _: Count, _: u64) {} }
    let rt = tokio::runtime::Runtime::new().unwrap();
    rt.block_on(async {
        let (tx, mut rx) = tokio::sync::mpsc::channel(8); let stop = tokio_util::sync::CancellationToken::new();
        let c = InputsConfig { files: vec![FilesConfig { paths: vec![f.display().to_string()], ..Default::default() }], host: HostConfig { enabled: false, ..Default::default() }, ..Default::default() };
        let start = Instant::now(); let t = agent_inputs::start(c, Default::default(), tx, stop.clone(), Arc::new(R)).unwrap();
        let mut n = 0; while n < 712_100 { n += rx.recv().await.unwrap().items.len(); }
        let s = start.elapsed().as_secs_f64(); println!("tail: {n} lines {:.1} MB in {s:.3} s = {:.0} lines/s", all.len() as f64 / 1e6, n as f64 / s); stop.cancel(); t.await.unwrap();
    });
    std::fs::remove_dir_all(dir).unwrap();
}
