//! Compiles what the crate asks of libtorch beyond the C interface of torch-sys.

fn main() {
    #[cfg(feature = "tch")]
    tensor_facts::compile();
}

#[cfg(feature = "tch")]
mod tensor_facts {
    use std::path::{Path, PathBuf};
    use std::{env, fs};

    const SOURCE: &str = "src/facts.cpp";

    pub(super) fn compile() {
        println!("cargo::rerun-if-changed={SOURCE}");
        // torch-sys says where the libraries are that it links; nothing when it is built for its
        // documentation alone.
        let Some(libraries) = env::var_os("DEP_TCH_LIBTORCH_LIB") else { return };
        let libraries = Path::new(&libraries);
        make_findable(libraries);
        cc::Build::new()
            .cpp(true)
            .std("c++17")
            .warnings(false)
            .includes(include_directories(libraries))
            .file(SOURCE)
            .compile("lazy_tch_facts");
    }

    /// `cargo run` and `cargo test` let programs find libraries where build scripts say that they lie,
    /// but only below the directory of the profile. So a link there leads to libtorch.
    fn make_findable(libraries: &Path) {
        let out = env::var_os("OUT_DIR").expect("cargo tells build scripts where to write");
        let link = Path::new(&out).join("libtorch");
        // From an earlier run.
        let _ = fs::remove_file(&link);
        #[cfg(unix)]
        if std::os::unix::fs::symlink(libraries, &link).is_ok() {
            println!("cargo::rustc-link-search=native={}", link.display());
        }
    }

    /// The headers lie beside the libraries, unless torch-sys was told otherwise.
    fn include_directories(libraries: &Path) -> Vec<PathBuf> {
        let told = ["LIBTORCH_INCLUDE", "LIBTORCH"].into_iter().filter_map(|name| {
            println!("cargo::rerun-if-env-changed={name}");
            env::var_os(name).map(PathBuf::from)
        });
        let roots = libraries.parent().map(Path::to_owned).into_iter().chain(told);
        roots.map(|root| root.join("include")).collect()
    }
}
