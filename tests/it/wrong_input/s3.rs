//! A repository in a bucket that is not as the configuration says.

use std::net::TcpListener;

use hyper::Method;
use tempfile::TempDir;
use tokio::task::block_in_place;

use super::agent::{Agent, Said};
use crate::lab::moto;
use crate::s3::faulty_server::{Fault, FaultyServer};

/// An agent without a Milvus, whose backups lie in a bucket that is there.
fn agent(endpoint: &str) -> Agent {
    Agent::alone()
        .without("REPOSITORY__LOCAL__PATH")
        .without("REPOSITORY__LOCAL__MIN_FREE")
        .with("REPOSITORY__S3__ENDPOINT", endpoint)
        .with("REPOSITORY__S3__BUCKET", "one")
        .with("REPOSITORY__S3__PREFIX", "wrong")
        .with("REPOSITORY__S3__ACCESS_KEY_ID", "key")
        .with("REPOSITORY__S3__SECRET_ACCESS_KEY", "secret")
        .with("TRANSFER__RETRIES", "1")
}

/// `list` fails in text and in JSON, naming the place.
fn refuses(agent: &Agent, code: i32, words: &[&str]) {
    let words = [&["s3://one/wrong"], words].concat();
    block_in_place(|| agent.refuses(&["list"], code, &words));
}

/// The line of `check` on the repository.
fn check(agent: &Agent) -> (Said, String) {
    let said = block_in_place(|| agent.run(&["check"]));
    let lines: Vec<&str> =
        said.stdout.lines().skip_while(|line| !line.contains("repository")).take(2).collect();
    let lines = lines.join("\n");
    (said, lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_are_wrong() {
    let server = FaultyServer::start().await;
    let agent = agent(&server.address);
    let said = block_in_place(|| agent.run(&["list"]));
    assert_eq!(said.code, Some(10), "the right ones find a bucket without a repository: {said}");
    let rights = "check the access key and its rights on this bucket";
    let wrong = agent.with("REPOSITORY__S3__SECRET_ACCESS_KEY", "wrong");
    refuses(&wrong, 12, &["SignatureDoesNotMatch", rights]);
    let unknown = agent.with("REPOSITORY__S3__ACCESS_KEY_ID", "unknown");
    refuses(&unknown, 12, &["status 403", rights]);
}

/// An answer of AWS's that no server here gives.
async fn answers(status: u16, body: &'static str) -> (FaultyServer, Agent) {
    let server = FaultyServer::start().await;
    server.fail(Method::GET, "/one", 100, Fault::Answer(status, body));
    let agent = agent(&server.address);
    (server, agent)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_region_is_wrong() {
    const MALFORMED: &str = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region \
         'us-east-1' is wrong; expecting 'eu-central-1'</Message></Error>";
    const ELSEWHERE: &str = "<Error><Code>PermanentRedirect</Code><Message>The bucket you are \
         attempting to access must be addressed using the specified endpoint.</Message></Error>";
    for (status, body, says) in
        [(400, MALFORMED, "expecting 'eu-central-1'"), (301, ELSEWHERE, "PermanentRedirect")]
    {
        let (_server, agent) = answers(status, body).await;
        refuses(&agent, 2, &[says, "set `region` to the bucket's own"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_has_expired() {
    const EXPIRED: &str = "<Error><Code>ExpiredToken</Code><Message>The provided token has \
         expired.</Message></Error>";
    let (_server, agent) = answers(400, EXPIRED).await;
    refuses(&agent, 12, &["token has expired", "renew the credentials"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_such_bucket() {
    let server = FaultyServer::start().await;
    for endpoint in [server.address.as_str(), moto::address()] {
        let agent = agent(endpoint).with("REPOSITORY__S3__BUCKET", "nowhere");
        let words = ["s3://nowhere/wrong", "NoSuchBucket", "check the bucket's name"];
        block_in_place(|| agent.refuses(&["list"], 2, &words));
    }
}

/// milvus-backup's root path often lies at the root of Milvus's own bucket.
#[tokio::test(flavor = "multi_thread")]
async fn files_are_staged_beside_a_repository_that_is_the_whole_bucket() {
    let server = FaultyServer::start().await;
    let agent = agent(&server.address)
        .without("REPOSITORY__S3__PREFIX")
        .without("MILVUS__STORAGE__LOCAL__PATH")
        .with("MILVUS__STORAGE__S3__ENDPOINT", &server.address)
        .with("MILVUS__STORAGE__S3__BUCKET", "one")
        .with("MILVUS__STORAGE__S3__PREFIX", "files")
        .with("MILVUS__STORAGE__S3__ACCESS_KEY_ID", "key")
        .with("MILVUS__STORAGE__S3__SECRET_ACCESS_KEY", "secret");
    let restore = |agent: &Agent| block_in_place(|| agent.run(&["restore", "b"]));
    let said = restore(&agent);
    assert_eq!(said.code, Some(13), "only Milvus is missing: {said}");
    let said = restore(&agent.with("MILVUS__CLUSTER", "files"));
    assert_eq!(said.code, Some(2), "{said}");
    assert!(said.stderr.contains("where backups lie"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_may_be_deleted() {
    const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>no s3:DeleteObject</Message>\
         </Error>";
    let server = FaultyServer::start().await;
    server.fail(Method::POST, "?delete", 100, Fault::Answer(403, DENIED));
    server.fail(Method::DELETE, "/one", 100, Fault::Answer(403, DENIED));
    let (said, line) = check(&agent(&server.address));
    assert!(line.contains("FAILED"), "{said}");
    assert!(line.contains("delete") && line.contains("no s3:DeleteObject"), "{said}");
    assert!(line.contains("its rights on this bucket: list, read, write, delete"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_is_of_an_unknown_authority() {
    let folder = TempDir::new().expect("a folder");
    let (mut server, address) = moto::with_tls(folder.path());
    let agent = agent(&address);
    refuses(&agent, 2, &["certificate", "set `ca_file`"]);
    let known = agent.with("REPOSITORY__S3__CA_FILE", folder.path().join("ca.pem"));
    let said = block_in_place(|| known.run(&["list"]));
    assert_eq!(said.code, Some(10), "{said}");
    server.kill().expect("it is ours");
    server.wait().expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_at_the_endpoint() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    refuses(&agent(&address), 1, &["Connection refused", "endpoint"]);
    let agent = agent("http://nowhere.invalid:9000");
    refuses(&agent, 1, &["dns error", "endpoint"]);
}
