//! Certificates, the broker's and ours.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use milvus_backup_agent::broker::Broker;
use milvus_backup_agent::broker::BrokerFault::{Protocol, Unauthorised};
use tokio::net::TcpStream;

use super::site::{DECLARED, QUEUE, Site, assert_refused, broker, next, own_node};

#[tokio::test]
async fn the_broker_is_known_by_its_authority_and_we_by_password_or_certificate() {
    let (node, _turn) = own_node().await;
    let site = Site::on(&node);
    let files = node.tls();
    let (ca, cert) = (files.ca.display(), files.certificate.display());
    let key = files.key.display();
    let url = node.tls_url(&site.url);
    let nameless = url.split_once('?').unwrap().0;
    let named = nameless.replace("amqps://", "amqps://guest:guest@");
    let ours = format!("ca_file: {ca}, cert_file: {cert}, key_file: {key}");
    for (url, keys) in [
        (&*named, format!("ca_file: {ca}")),
        (&*named, ours.clone()),
        (nameless, ours.clone()),
        (&*nameless.replace("localhost", "127.0.0.1"), ours.clone()),
    ] {
        let link = broker(url, &format!("{DECLARED}, {keys}")).connect().await.unwrap();
        site.send(QUEUE, url.as_bytes()).await;
        let delivery = next(&*link).await;
        assert_eq!(delivery.message().body, url.as_bytes());
        delivery.accept().await.unwrap();
        link.close().await;
    }
    let authority = ["TLS failed", "UnknownIssuer", "set `amqp.ca_file`"];
    assert_refused(&broker(&named, ""), Unauthorised, &authority).await;
    let ca_alone = broker(nameless, &format!("ca_file: {ca}"));
    drop(ca_alone.connect().await.expect("guest is let in from its own host"));

    // The name in the certificate has to be that of a user.
    let users = "rabbit_auth_backend_internal";
    node.eval(&format!("{users}:delete_user(<<\"agent\">>, <<\"lab\">>)."));
    let user = ["it refused the login", "a user of the certificate's name"];
    assert_refused(&broker(nameless, &ours), Unauthorised, &user).await;
    node.eval(&format!("{users}:add_user(<<\"agent\">>, <<\"unused\">>, <<\"lab\">>)."));
    let (all, vhost) = ("<<\".*\">>", site.vhost());
    node.eval(&format!(
        "{users}:set_permissions(<<\"agent\">>, <<\"{vhost}\">>, {all}, {all}, {all}, <<\"lab\">>)."
    ));
    drop(broker(nameless, &ours).connect().await.unwrap());

    let plain = broker(&nameless.replace("amqps://", "amqp://"), "");
    // The alert of TLS may be read, or be lost with the connection.
    let error = plain.connect().await.map(drop).unwrap_err();
    assert!(error.hint.unwrap().contains("for one with TLS write amqps://"), "{}", error.message);
}

#[tokio::test]
async fn a_file_that_is_no_good_is_named_with_what_it_has_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    certificate(folder.path(), "one", "localhost");
    certificate(folder.path(), "two", "localhost");
    run(folder.path(), "pkey -in one.key -aes256 -passout pass:secret -out locked.key");
    run(folder.path(), "ec -in one.key -out sec1.key");
    std::fs::write(path("empty.pem"), "none\n").unwrap();
    let url = "amqps://127.0.0.1:1";
    let refused = async |ca: &str, cert: &str, key: &str, parts: &[&str]| {
        let [ca, cert, key] = [ca, cert, key].map(|name| path(name).display().to_string());
        let keys = format!("ca_file: {ca}, cert_file: {cert}, key_file: {key}");
        // Files are read once there is someone to show them to.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url.replace(":1", &format!(":{}", listener.local_addr().unwrap().port()));
        let broker = broker(&url, &keys);
        assert_refused(&broker, Unauthorised, parts).await;
    };
    let form = "it has to be PEM: certificates, or one key without a password";
    refused("none.pem", "one.pem", "one.key", &["`amqp.ca_file` cannot be used", "none.pem", form])
        .await;
    refused("empty.pem", "one.pem", "one.key", &["`amqp.ca_file` holds no certificate"]).await;
    refused("one.pem", "empty.pem", "one.key", &["`amqp.cert_file` holds no certificate"]).await;
    refused("one.pem", "one.pem", "none.key", &["`amqp.key_file` cannot be used"]).await;
    refused("one.pem", "one.pem", "locked.key", &["`amqp.key_file` cannot be used", form]).await;
    let other = "`amqp.key_file` is no key of the first certificate";
    refused("one.pem", "one.pem", "two.key", &[other]).await;

    // Keys of OpenSSL's older form will do; so it comes to the connection.
    let [ca, key] = ["one.pem", "sec1.key"].map(|name| path(name).display().to_string());
    assert!(std::fs::read_to_string(&key).unwrap().contains("BEGIN EC PRIVATE KEY"));
    let keys = format!("ca_file: {ca}, cert_file: {ca}, key_file: {key}");
    let site = Site::new();
    let plain = broker(&site.url.replace("amqp:", "amqps:"), &keys);
    assert_refused(&plain, Protocol, &["TLS failed"]).await;
}

#[tokio::test]
async fn a_broker_that_shows_the_name_of_another_is_not_trusted() {
    let folder = tempfile::tempdir().unwrap();
    certificate(folder.path(), "other", "other.example");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let accept = format!("127.0.0.1:{port}");
    let mut server = Command::new("openssl")
        .args(["s_server", "-quiet", "-cert", "other.pem", "-key", "other.key", "-accept", &accept])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while TcpStream::connect(&accept).await.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let ca = folder.path().join("other.pem");
    let broker = broker(&format!("amqps://{accept}"), &format!("ca_file: {}", ca.display()));
    let words = ["TLS failed", "write the host in `amqp.url` as it stands in the broker's"];
    assert_refused(&broker, Unauthorised, &words).await;
    server.kill().unwrap();
    server.wait().unwrap();
}

fn certificate(folder: &Path, file: &str, name: &str) {
    run(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -noenc -days 2 \
             -subj /CN={name} -addext subjectAltName=DNS:{name} \
             -addext basicConstraints=critical,CA:FALSE -keyout {file}.key -out {file}.pem"
        ),
    );
}

fn run(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    let command = command.args(arguments.split_whitespace()).current_dir(folder);
    let output = command.output().expect("openssl is there");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
