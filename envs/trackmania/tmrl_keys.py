"""The keys of TMRL's `config.json`, by section, and what those of its reward are called here.

Source: TMRL 0.7.1, whose files begin with version 0.6.0.
"""

SECRETS = ("PASSWORD", "WANDB_KEY")
DEAD_PREFIXES = ("BETAS_",)  # TMRL reads them, and by a mistake never hands them on
RUN = {
    *("RUN_NAME", "RESET_TRAINING", "CUDA_TRAINING", "CUDA_INFERENCE", "VIRTUAL_GAMEPAD", "SAVE_MODEL_EVERY"),
    *("DEBUG_MODE", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_KEY", "__VERSION__", "BUFFERS_MAXLEN"),
    *("RW_MAX_SAMPLES_PER_EPISODE", "MEMORY_SIZE", "BATCH_SIZE", "MAX_EPOCHS", "ROUNDS_PER_EPOCH"),
    *("TRAINING_STEPS_PER_ROUND", "MAX_TRAINING_STEPS_PER_ENVIRONMENT_STEP", "ENVIRONMENT_STEPS_BEFORE_TRAINING"),
    *("UPDATE_MODEL_INTERVAL", "UPDATE_BUFFER_INTERVAL", "LOCALHOST_WORKER", "LOCALHOST_TRAINER", "PUBLIC_IP_SERVER"),
    *("PORT", "LOCAL_PORT_SERVER", "LOCAL_PORT_TRAINER", "LOCAL_PORT_WORKER", "PASSWORD", "TLS", "TLS_HOSTNAME"),
    *("TLS_CREDENTIALS_DIRECTORY", "NB_WORKERS", "BUFFER_SIZE", "HEADER_SIZE", "ALG", "ENV"),
}
ALG = {
    *("ALGORITHM", "LEARN_ENTROPY_COEF", "LR_ACTOR", "LR_CRITIC", "LR_ENTROPY", "GAMMA", "POLYAK", "TARGET_ENTROPY"),
    *("ALPHA", "REDQ_N", "REDQ_M", "REDQ_Q_UPDATES_PER_POLICY_UPDATE", "OPTIMIZER_ACTOR", "OPTIMIZER_CRITIC"),
    *("BETAS_ACTOR", "BETAS_CRITIC", "L2_ACTOR", "L2_CRITIC"),
}
ENV = {
    *("RTGYM_INTERFACE", "WINDOW_WIDTH", "WINDOW_HEIGHT", "IMG_WIDTH", "IMG_HEIGHT", "IMG_GRAYSCALE", "IMG_HIST_LEN"),
    *("SLEEP_TIME_AT_RESET", "LINUX_X_OFFSET", "LINUX_Y_OFFSET", "IMG_SCALE_CHECK_ENV", "RTGYM_CONFIG"),
    "REWARD_CONFIG",
}
RTGYM = {
    *("time_step_duration", "start_obs_capture", "time_step_timeout_factor", "ep_max_length", "act_in_obs"),
    *("act_buf_len", "reset_act_buf", "last_act_on_reset", "wait_on_done", "benchmark", "benchmark_polyak"),
    *("benchmark_type", "act_prepro_func", "obs_prepro_func", "interface_args", "interface_kwargs", "interface"),
}
REWARD = {
    "END_OF_TRACK": "end_of_track",
    "CONSTANT_PENALTY": "constant_penalty",
    "CHECK_FORWARD": "check_forward",
    "CHECK_BACKWARD": "check_backward",
    "FAILURE_COUNTDOWN": "failure_countdown",
    "MIN_STEPS": "min_steps",
    "MAX_STRAY": "max_stray_m",
}
