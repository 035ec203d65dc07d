//! Which databases are the program's to drop: those that carry its mark, and no other, whatever it is called.

use sqlx::Connection;
use weighbridge::postgres::database::{Admin, Token};

use crate::support::{Home, block_on, sharing};

/// Called like ours, and made by hand.
const BY_HAND: [&str; 3] = ["weighbridge_clone_deadbeef_mine", "weighbridge_build_deadbeef", "weighbridge_template_x"];

/// A marked clone of a run that is gone.
const CLONE: &str = "weighbridge_clone_0badc0de_before";

/// Makes a template and clones as a proof that was killed leaves them; returns the template's name.
fn leave(home: &Home, clones: &[&str]) -> String {
    let template = "weighbridge_template_0123456789abcdef".to_owned();
    block_on(async {
        let mut admin = Admin::connect(&home.target()).await.unwrap();
        let token = Token::fresh();
        admin.create_marked(&token.build(), "a dataset").await.unwrap();
        admin.keep_as_template(&token, &template, "a dataset").await.unwrap();
        for clone in clones {
            admin.clone_database(&template, clone).await.unwrap();
        }
        admin.close().await;
    });
    template
}

#[test]
fn only_what_carries_the_mark_is_dropped() {
    let _machine = sharing();
    let home = Home::new();
    home.run(&["server", "start"]).ok();
    for name in BY_HAND {
        home.query(&format!("CREATE DATABASE {name}"));
    }
    // A mark that a dump brought along names another database.
    home.query(&format!("COMMENT ON DATABASE {} IS 'clone of x [weighbridge 1]'", BY_HAND[0]));
    home.query(&format!("ALTER DATABASE {} IS_TEMPLATE true", BY_HAND[2]));
    let in_use = "weighbridge_clone_0badc0de_after";
    let template = leave(&home, &[CLONE, in_use]);

    let target = home.target().database(in_use).named("psql");
    let cleaned = block_on(async {
        let session = target.connect().await.unwrap();
        let cleaned = home.run(&["server", "clean", "--templates"]).ok().stdout;
        session.close().await.unwrap();
        cleaned
    });
    for name in [CLONE, &template] {
        assert!(cleaned.contains(&format!("dropped {name}\n")), "{cleaned}");
    }
    assert!(cleaned.contains(&format!("kept {in_use}: in use by psql (process ")), "{cleaned}");
    assert!(
        cleaned.contains("ALTER DATABASE \"weighbridge_template_x\" IS_TEMPLATE false; DROP DATABASE"),
        "{cleaned}"
    );
    let mut there = home.databases("weighbridge_");
    there.retain(|name| name != in_use);
    let mut by_hand = BY_HAND.map(str::to_owned).to_vec();
    by_hand.sort();
    assert_eq!(there, by_hand);
    for name in BY_HAND {
        assert!(cleaned.contains(&format!("DROP DATABASE \"{name}\";")), "{cleaned}");
    }

    let url = home.run(&["server", "url"]).ok().stdout.trim().to_owned();
    leave(&home, &[CLONE]);
    let running = Token::fresh();
    let living = home.target().named(&running.application());
    let own = running.clone_name("before");
    let cleaned = block_on(async {
        let mut admin = Admin::connect(&living).await.unwrap();
        admin.clone_database(&template, &own).await.unwrap();
        let cleaned = home.run(&["server", "clean", "--url", &url]).ok().stdout;
        admin.close().await;
        cleaned
    });
    assert!(cleaned.contains(&format!("dropped {CLONE}\n")), "{cleaned}");
    assert!(cleaned.contains(&format!("kept {own}: its proof is running")), "{cleaned}");
    assert!(cleaned.contains(&format!("kept {template}: a proof is running")), "{cleaned}");
    let cleaned = home.run(&["server", "clean", "--url", &url]).ok().stdout;
    assert!(
        cleaned.contains(&format!("dropped {own}\n")) && cleaned.contains(&format!("dropped {template}\n")),
        "{cleaned}"
    );
    assert_eq!(home.databases("weighbridge_"), by_hand);

    // What is called like the template that is to be kept is not taken for it, nor replaced.
    let refused = block_on(async {
        let mut admin = Admin::connect(&home.target()).await.unwrap();
        admin.drop_database(BY_HAND[0]).await.unwrap_err().to_string()
    });
    assert!(refused.contains("carries no mark of weighbridge"), "{refused}");
}
