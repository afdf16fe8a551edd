plugins {
    id("com.android.application")
}

android {
    namespace = "tamatebako.client"
    compileSdk = 35

    defaultConfig {
        applicationId = "tamatebako.client"
        minSdk = 26
        targetSdk = 35
        versionCode = 1
        versionName = "0.1.0"
        ndk { abiFilters += "arm64-v8a" }
    }

    // Whoever releases signs: the key is named in the environment and never lies here.
    signingConfigs {
        create("release") {
            System.getenv("TAMATEBAKO_KEYSTORE")?.let { storeFile = file(it) }
            storePassword = System.getenv("TAMATEBAKO_KEYSTORE_PASSWORD")
            keyAlias = System.getenv("TAMATEBAKO_KEY_ALIAS")
            keyPassword = System.getenv("TAMATEBAKO_KEY_PASSWORD")
        }
    }
    buildTypes {
        release {
            signingConfig = signingConfigs.getByName("release")
            isMinifyEnabled = false // there is no Java of ours
        }
    }
    // Libraries lie in the package as they are, on 16 KB, and are mapped from there.
    packaging { jniLibs { useLegacyPackaging = false } }
}

val repository = rootProject.projectDir.resolve("../..")
val nativeLibraries = layout.projectDirectory.dir("src/main/jniLibs")

val cargoNdk = tasks.register<Exec>("cargoNdk") {
    workingDir = repository
    environment("RUSTFLAGS", "-C link-arg=-Wl,-z,max-page-size=16384")
    commandLine(
        "cargo", "ndk", "--target", "arm64-v8a", "--platform", "26", "--output-dir", nativeLibraries.asFile.path,
        "rustc", "--release", "--locked", "--package", "client", "--lib", "--crate-type", "cdylib",
    )
}
tasks.named("preBuild") { dependsOn(cargoNdk) }
